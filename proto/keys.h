/* Names in Redis. Every key begins with KEY_PREFIX; proto/README.md says what each holds. */
#ifndef PROTO_KEYS_H
#define PROTO_KEYS_H

#define STREAM_MEDIA    "media"
#define STREAM_LLM      "llm"
#define STREAM_OUTBOUND "outbound"
#define STREAM_LEDGER   "ledger"
#define STREAM_DEAD     "dead"

#define KIND_TEXT   "text"       /* a question in words: work for llm                      */
#define KIND_VOICE  "voice"      /* media: speech, or a video's sound                       */
#define KIND_PHOTO  "photo"      /* media: a picture                                        */
#define KIND_DOCUMENT "document" /* media: a file                                           */
#define KIND_IMAGE  "image"      /* media: a picture to be drawn                           */
#define KIND_LIBRARY "library"   /* media: a document for the library of whoever sent it    */
#define KIND_MADE   "made"       /* media: files that the model made for an answer          */
#define KIND_FORGET "forget"     /* media, direct: files at OpenAI to be deleted            */
#define KIND_FOLLOW "follow"     /* outbound: show this job from beginning to end          */
#define KIND_LINE   "line"       /* outbound, direct: one clear line                        */
#define KIND_ALERT  "alert"      /* outbound, direct: one line to an administrator          */
#define KIND_PRESS  "press"      /* outbound, direct: answers the press of a button         */
#define KIND_ASK    "ask"        /* ledger, direct: a question that its database answers    */
#define KIND_SET    "set"        /* ledger, direct: settings or users are to be changed     */
#define KIND_USAGE  "usage"      /* ledger: one paid call                                   */

/* How a job ended. */
#define HOW_DONE          "done"
#define HOW_STOPPED       "stopped"
#define HOW_REFUSED       "refused"          /* nothing was spent: budget, or the question itself   */
#define HOW_DEAD          "dead"             /* given up after its last try; its reason is in `dead` */
#define HOW_UNDELIVERABLE "undeliverable"

/* Why it was stopped. */
#define STOP_USER "stop"
#define STOP_NEW  "new"
#define STOP_GONE "gone"
#define STOP_MUTE "mute"

#endif
