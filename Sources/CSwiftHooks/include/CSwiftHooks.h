#pragma once
// Where Swift's concurrency runtime looks for somebody else to run its jobs (swift/Runtime/Concurrency.h of the Swift
// sources). For the simulation only, which runs all jobs on one thread in an order of its own.
void **autogit_enqueue_global_hook(void);
