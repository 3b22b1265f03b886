#define _GNU_SOURCE
#include "CSystemd.h"
#include <link.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int autogit_pidfd_open(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }
// Segments that are never written to, not even by the dynamic linker, and so have no private pages to lose: relocated
// constants (RELRO) are in segments with PF_W.
static int forget(struct dl_phdr_info *object, size_t size, void *context) {
    (void)size;
    (void)context;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < object->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0) continue;
        uintptr_t start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
        if (start < end) madvise((void *)start, end - start, MADV_DONTNEED);
    }
    // Libraries as well: OpenSSL alone reads three megabytes of itself to begin with, and on a small board nobody else may have them open.
    return 0;
}

void autogit_forget_start_pages(void) { dl_iterate_phdr(forget, NULL); }

int autogit_set_undumpable(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }
