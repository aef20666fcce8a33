"""The flag that tells executors that their process should end."""

import ctypes
from multiprocessing.sharedctypes import RawValue


class Flag:
    """One byte that this process shares with the processes it forks later. It has no lock: a killed process could keep one."""

    def __init__(self) -> None:
        self._value = RawValue(ctypes.c_bool, False)

    def set(self) -> None:
        self._value.value = True

    def clear(self) -> None:
        self._value.value = False

    def is_set(self) -> bool:
        return bool(self._value.value)


stopping = Flag()
