/* deadline: how patient tests are. A deadline only ends a test that would hang,
 * so it is generous; a sanitizer's build on a busy machine is several times
 * slower. */
#pragma once

#ifdef __SANITIZE_ADDRESS__
#define DEADLINE_MS(ms) (3 * (ms))
#else
#define DEADLINE_MS(ms) (ms)
#endif
