/* clock: monotonic time, so that a stepped wall clock moves no deadline. */
#pragma once

#include <stdint.h>

uint64_t clock_ms(void); /* CLOCK_MONOTONIC, milliseconds */
uint64_t clock_us(void);
uint64_t clock_wall_ms(void); /* CLOCK_REALTIME, for people only */
