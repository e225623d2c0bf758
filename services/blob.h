/* Bytes on their way out: from a spool into Redis, piece by piece, under one name (script `blob`). */
#ifndef SERVICES_BLOB_H
#define SERVICES_BLOB_H
#include <stdint.h>
#include "proto/args.h"
#include "services/spool.h"

enum { BLOB_PIECE = 64 * 1024 };
/* The arguments that put the next piece of `from`, the one behind the first `had` bytes, into the blob of that name. Returns how long it
 * is; 0: there is none left; a negative errno: the disk is ill. Answers: `ok`, `full` (there is no room: for a while, or for so many). */
int64_t blob_piece(struct args *a, const char *name, const struct spool *from, int64_t had);
/* Those that take it away again, of so many bytes. */
void blob_drop(struct args *a, const char *name, int64_t bytes);

#endif
