"""What must hold, one small check for each thing, with a way to mend it where there is a safe one."""
