/* An album comes as one update per picture, with no word about how many there are. What we say about it is said once. */
#ifndef INGEST_ALBUM_H
#define INGEST_ALBUM_H
#include <stdbool.h>
#include <stdint.h>

/* Does that update speak for its album? The first that was seen does, and does so again when it comes again. Only some of the latest
 * albums are remembered: another ingest, or a crowd of albums, costs a repeated line. */
bool album_speaks(int64_t chat, const char *album, int64_t update);

#endif
