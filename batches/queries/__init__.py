"""What is read, one question a module, for whoever shows the answer. Nothing here writes."""
