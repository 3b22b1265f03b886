// For the tests under the thread sanitizer, loaded before libswiftSynchronization.
//
// A contended Mutex is locked and unlocked in that library, by a futex that the kernel passes on (FUTEX_LOCK_PI in
// futex(2)). Neither is instrumented, so the sanitizer would see nothing that orders two holders, and call all that they
// hand over a race. Its annotations (compiler-rt, sanitizer/tsan_interface.h) say what the lock does say.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

__attribute__((weak)) void __tsan_acquire(void *);
__attribute__((weak)) void __tsan_release(void *);

SWIFT void autogit_lock(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT void autogit_unlock(SELF void *mutex) __asm__(UNLOCK);

SWIFT void autogit_lock(uint32_t thread, SELF void *mutex) {
    SWIFT void (*next)(uint32_t, SELF void *) = (SWIFT void (*)(uint32_t, SELF void *))dlsym(RTLD_NEXT, LOCK);
    next(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT void autogit_unlock(SELF void *mutex) {
    if (__tsan_release) __tsan_release(mutex);
    SWIFT void (*next)(SELF void *) = (SWIFT void (*)(SELF void *))dlsym(RTLD_NEXT, UNLOCK);
    next(mutex);
}
