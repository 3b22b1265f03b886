#pragma once
// Without this the journal's functions become macros, which Swift can't call; the code location is given as fields.
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

// syscall(2) is variadic, and Debian 12's C library has no wrapper: pidfd_open(2).
int autogit_pidfd_open(pid_t pid);
// prctl(2) is variadic. Makes /proc/PID of this process root's, so that no other process of its user can read its memory.
int autogit_set_undumpable(void);
// Gives back the resident pages of this program's and its libraries' code and constants. They are the file's, unchanged, and come back
// when they are used; most were needed by the start only.
void autogit_forget_start_pages(void);
