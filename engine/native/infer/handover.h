// How far apart the cores of a run are at the moment. The cores of a virtual machine may share a cache in one minute and
// not in the next; what one thread reads after another wrote it, then takes several times as long.
#pragma once
#include "common/thread_pool.h"

namespace fovea {

// Time from a thread's write to the next thread's read of it, the mean over a ring of `threads` threads, ms: the least of
// several rounds. 0 for one thread, or where the threads did not all come to run at once.
double measure_handover(ThreadPool& pool, int threads);

}  // namespace fovea
