#include "timers.h"

#include <math.h>
#include <stdlib.h>

static void place(struct gr_timers *timers, size_t slot, struct gr_timer *timer)
{
    timers->heap[slot] = timer;
    timer->slot = slot;
}

static void sift_up(struct gr_timers *timers, struct gr_timer *timer)
{
    size_t slot = timer->slot;
    for (; slot > 1 && timers->heap[slot / 2]->at > timer->at; slot /= 2)
        place(timers, slot, timers->heap[slot / 2]);
    place(timers, slot, timer);
}

static void sift_down(struct gr_timers *timers, struct gr_timer *timer)
{
    size_t slot = timer->slot;
    for (;;) {
        size_t child = slot * 2;
        if (child < timers->count && timers->heap[child + 1]->at < timers->heap[child]->at)
            child++;
        if (child > timers->count || timers->heap[child]->at >= timer->at)
            break;
        place(timers, slot, timers->heap[child]);
        slot = child;
    }
    place(timers, slot, timer);
}

static bool grow(struct gr_timers *timers)
{
    size_t capacity = timers->capacity ? timers->capacity * 2 : 64;
    struct gr_timer **heap = realloc(timers->heap, capacity * sizeof *heap);
    if (!heap)
        return false;
    timers->heap = heap;
    timers->capacity = capacity;
    return true;
}

bool gr_timers_join(struct gr_timers *timers)
{
    if (timers->members + 1 >= timers->capacity && !grow(timers))
        return false;
    timers->members++;
    return true;
}

void gr_timers_leave(struct gr_timers *timers, struct gr_timer *timer)
{
    gr_timers_disarm(timers, timer);
    timers->members--;
}

void gr_timers_arm(struct gr_timers *timers, struct gr_timer *timer, double at)
{
    if (!timer->slot)
        place(timers, ++timers->count, timer);
    timer->at = at;
    sift_up(timers, timer);
    sift_down(timers, timer);
}

void gr_timers_disarm(struct gr_timers *timers, struct gr_timer *timer)
{
    size_t slot = timer->slot;
    if (!slot)
        return;
    timer->slot = 0;
    struct gr_timer *last = timers->heap[timers->count--];
    if (last == timer)
        return;
    place(timers, slot, last);
    sift_up(timers, last);
    sift_down(timers, last);
}

double gr_timers_first(const struct gr_timers *timers)
{
    return timers->count ? timers->heap[1]->at : INFINITY;
}

void gr_timers_run(struct gr_timers *timers, double now)
{
    while (timers->count && timers->heap[1]->at <= now) {
        struct gr_timer *timer = timers->heap[1];
        gr_timers_disarm(timers, timer);
        timer->fire(timer, now);
    }
}
