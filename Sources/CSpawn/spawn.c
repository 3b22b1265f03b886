#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// After a fork of a process with threads: only what signal-safety(7) allows.
static void become(const char *path, char *const arguments[], char *const environment[], const int descriptors[3], pid_t parent, int complaints) {
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    // It may have ended before.
    if (getppid() != parent) _exit(127);
    setpgid(0, 0);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    for (int number = 0; number < 3; number++) {
        if (dup2(descriptors[number], number) < 0) goto failed;
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(path, arguments, environment);
failed:;
    int code = errno;
    (void)!write(complaints, &code, sizeof code);
    _exit(127);
}

int autogit_spawn(pid_t *child, const char *path, char *const arguments[], char *const environment[], const int descriptors[3]) {
    int complaints[2];
    if (pipe2(complaints, O_CLOEXEC) != 0) return errno;
    // None of our own handlers runs in the child.
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid(), pid = fork();
    int refusal = pid < 0 ? errno : 0;
    if (pid == 0) become(path, arguments, environment, descriptors, parent, complaints[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(complaints[1]);
    if (pid > 0) {
        // Closed by a successful execve.
        ssize_t count;
        do { count = read(complaints[0], &refusal, sizeof refusal); } while (count < 0 && errno == EINTR);
        if (count != sizeof refusal) refusal = 0;
        if (refusal != 0) {
            while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
        }
    }
    close(complaints[0]);
    if (refusal == 0) *child = pid;
    return refusal;
}
