#pragma once

#include <sys/types.h>

/// Starts a program as posix_spawn(3) does, in a process group of its own, with the signals' usual actions and none blocked; and has the kernel send
/// it SIGTERM when the calling thread ends (PR_SET_PDEATHSIG of prctl(2)), which posix_spawn(3) can't, and setpriv(1) can't in a sandbox without
/// capset(2).
/// @param descriptors its standard input, output and error; none of them is 0, 1 or 2.
/// @return 0, or the error number of what failed, the program's execve(2) included.
int autogit_spawn(pid_t *child, const char *path, char *const arguments[], char *const environment[], const int descriptors[3]);
