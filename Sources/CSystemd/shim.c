#include "CSystemd.h"
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int autogit_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
int autogit_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
