/* clock: seconds since boot, suspend included. */
#ifndef GROOVE_CLOCK_H
#define GROOVE_CLOCK_H

/* Now, in seconds, on a clock that never goes back and counts suspend (CLOCK_BOOTTIME). */
double gr_now(void);

/* Unix time, seconds: for people. Nothing is timed by it. */
double gr_unix_time(void);

/* Tests only: adds to what gr_now returns, as a suspend of that length would. */
void gr_clock_skip(double seconds);

#endif
