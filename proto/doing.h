/* What is being done for a job, in one word (script doing): the words that media and llm say and outbound knows. */
#ifndef PROTO_DOING_H
#define PROTO_DOING_H

#define DOING_DOWNLOADING "downloading"
#define DOING_TRANSCRIBING "transcribing"
#define DOING_UPLOADING "uploading"
#define DOING_DRAWING "drawing"
#define DOING_SEARCHING "searching"          /* the web */
#define DOING_READING "reading"              /* a library */
#define DOING_COMPUTING "computing"
#define DOING_THINKING "thinking"
enum { DOING_MOST = 40 };                    /* bytes of word and length, with the zero at its end */

#endif
