/* Small allocations abort on failure: the job's entry is still in its stream, and somebody with memory will take it.
 * What a stranger sizes is bounded before it comes here (see buf.h). */
#ifndef SERVICES_ALLOC_H
#define SERVICES_ALLOC_H
#include <stddef.h>

void *alloc_zero(size_t size);
void *alloc_again(void *p, size_t size);                  /* as realloc() */
char *alloc_copy(const void *data, size_t len);           /* NUL-terminated */

#endif
