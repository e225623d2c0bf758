/* stream: responses that are being made, and those who read them.
 *
 * A response advances by the clock, reader or not. A foreground one belongs to the connection that asked for it: when that
 * goes, the response stops where it is, is billed, and cannot be found any more. */
#ifndef SIM_STREAM_H
#define SIM_STREAM_H
#include "sim/response.h"

void stream_start(struct response *r);                          /* begins to run; readers may be added at any time */
/* Sends the events after `after` (-1: all) to x as they are made. With `json` the whole response when it is over. */
void stream_read(struct response *r, struct exch *x, int64_t after, bool json);
void stream_cancel(struct response *r);                         /* what was made so far is billed; readers' streams just end */
void stream_forget(struct response *r);                         /* at the end of everything: readers are cut off */
#endif
