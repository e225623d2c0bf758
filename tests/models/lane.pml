/* One conversation with NJ jobs in its lane (and one direct job with -DDIRECT), the scripts as atomic steps, two workers each for
 * the paid work and for outbound. FAULTS counts down over: a crash between any two steps; a claim from the living; a commit that
 * comes true a second time, later; a release; a parked step; an auditor that emits what is not lost; an entry that vanishes; /stop.
 *
 *   -DROUNDS=2   the first job makes two paid calls             -DMEDIA   the last job begins in media
 *
 * What must hold stands in asserts; what must be at the end, in `monitor`. The broken variants are behind #ifdef: see run.sh. */
#ifndef NJ
#define NJ 2
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifdef DIRECT
#define JOBS (NJ + 1)
#else
#define JOBS NJ
#endif
#define LAST_ID 11
#define NOBODY 255
#define LLM 1
#define OUT 2
#define MED 3
#define LATER 4
#define S 1
#define ID 2

byte faults = FAULTS;
/* Redis */
byte in_hand = NOBODY, accepted, dispatched;
byte last_id;
byte stream[LAST_ID + 1];                /* of each entry; 0: gone */
byte entry_job[LAST_ID + 1];
byte owner[LAST_ID + 1];                 /* on whom it is pending; 0: unread, or its owner is dead */
byte queue[JOBS], token[JOBS], follow[JOBS], back[JOBS], round_[JOBS], holder[JOBS], part[JOBS];
bool held[JOBS], response[JOBS], stop[JOBS];
byte ends[JOBS];
/* The world */
byte unbooked[JOBS];                     /* responses that were paid and are in no book yet */
bool stray;                              /* a message stands there that nobody will touch again */
bool final_text[JOBS];
byte shown_up_to;                        /* laned jobs that have shown something */
byte ended_up_to;
/* A commit that will come true again */
bool ghost_waits;
byte ghost_entry, ghost_job, ghost_queue;
bool ghost_knows;

#define LANED(j) (j < NJ)
#define IN_HAND(j) (!LANED(j) || in_hand == j)
#ifdef PENDING_GUARD                     /* broken: who is in the stream is live */
#define LIVE(q, i, j) (stream[i] == q)
#define FOLLOWS(q, i, j) (false)
#else
#define LIVE(q, i, j) (IN_HAND(j) && ends[j] == 0 && queue[j] == q && token[j] == i)
#ifdef NAIVE_FOLLOW                      /* broken: only a live entry is good for anything */
#define FOLLOWS(q, i, j) (false)
#else
#define FOLLOWS(q, i, j) (IN_HAND(j) && ends[j] == 0 && q == OUT && follow[j] == i && !LIVE(q, i, j))
#endif
#endif

#ifdef EARLY_END                         /* broken: the follower need not wait for its turn */
#define MAY_END(i, j) (LIVE(OUT, i, j) || FOLLOWS(OUT, i, j))
#else
#define MAY_END(i, j) LIVE(OUT, i, j)
#endif

inline forget(i) { stream[i] = 0; entry_job[i] = 0; owner[i] = 0 }
inline add(q, j, ret) { last_id++; assert(last_id <= LAST_ID); stream[last_id] = q; entry_job[last_id] = j; ret = last_id }
inline emit(q, j) { queue[j] = q; add(q, j, token[j]); if :: q == OUT -> follow[j] = token[j] :: else fi }
inline dispatch() {
  if
  :: dispatched < accepted ->
     in_hand = dispatched; dispatched++;
     if
#ifdef MEDIA
     :: in_hand == NJ - 1 -> emit(MED, in_hand)
     :: else ->
#else
     :: true ->
#endif
        emit(LLM, in_hand)
     fi;
#ifndef NO_FOLLOW
     add(OUT, in_hand, follow[in_hand])
#endif
  :: else -> in_hand = NOBODY
  fi }

/* llm's and media's commit. `knows`: of a response; `stops`: it ends the job. */
inline commit_work(q, i, j, knows) {
  if
  :: LIVE(q, i, j) ->
     forget(i);
     if
#ifndef BLIND_END
     :: q == LLM && response[j] != knows -> emit(LLM, j)          /* done again */
     :: else ->
#else
     :: true ->
#endif
        if :: knows && response[j] -> assert(unbooked[j] > 0); unbooked[j]--; response[j] = false :: else fi;
#ifndef KEEPS_HOLD
        if :: q == LLM -> held[j] = false :: else fi;
#endif
        if
        :: q == MED -> emit(LLM, j)
        :: q == LLM && j == 0 && !stop[j] && round_[j] + 1 < ROUNDS -> round_[j]++; emit(LLM, j)
        :: else ->
#ifdef LLM_ENDS
           ends[j]++; assert(ends[j] == 1); dispatch()
#else
           queue[j] = OUT; token[j] = follow[j]
#endif
        fi
     fi
  :: else -> forget(i)
  fi }

inline commit_end(i, j) {
  if
  :: MAY_END(i, j) ->
     forget(i);
     ends[j]++;
     assert(ends[j] == 1);                                        /* I2 */
     assert(part[j] == ID && final_text[j]);                      /* I1 */
     assert(!held[j]);                                            /* I5 */
     queue[j] = 0; token[j] = 0; follow[j] = 0; holder[j] = 0;
     if
     :: LANED(j) ->
        assert(j == ended_up_to); ended_up_to++;                  /* I3 */
#ifndef NO_NEXT
        dispatch()
#else
        in_hand = NOBODY
#endif
     :: else
     fi
  :: !MAY_END(i, j) && FOLLOWS(OUT, i, j)                         /* early: nothing happens */
  :: else -> forget(i)
  fi }

#define EMPTY (stream[1] + stream[2] + stream[3] + stream[4] + stream[5] + stream[6] + stream[7] + stream[8] + stream[9] + stream[10] + stream[11] == 0)
#define OVER (EMPTY && accepted == NJ && ended_up_to == NJ && (JOBS == NJ || ends[JOBS - 1] > 0))
#define MINE(n) (owner[n] == 0 || owner[n] == _pid)              /* new, of the dead, or our own and not in hand */
#define PICK(n, what) :: atomic { (what && (MINE(n) || faults > 0)) -> if :: MINE(n) :: else -> faults-- fi; owner[n] = _pid; \
                                  i = n; j = entry_job[n]; q = stream[n] }
#define PICK_ANY(what) PICK(1, what(1)) PICK(2, what(2)) PICK(3, what(3)) PICK(4, what(4)) PICK(5, what(5)) PICK(6, what(6)) \
  PICK(7, what(7)) PICK(8, what(8)) PICK(9, what(9)) PICK(10, what(10)) PICK(11, what(11))
#define IS_WORK(n) (stream[n] == LLM || stream[n] == MED)
#define IS_OUT(n) (stream[n] == OUT)
#define CRASH faults > 0 -> faults--; if :: owner[i] == _pid -> owner[i] = 0 :: else fi; REST; goto again
#define REST i = 0; j = 0; q = 0; knows = false; stopped = false

active proctype ingest() {
  do
  :: atomic { accepted < NJ -> accepted++; if
#ifdef DISPATCH_ALWAYS
     :: true -> dispatch()
#else
     :: in_hand == NOBODY -> dispatch()
     :: else
#endif
     fi }
  :: else -> break
  od;
#ifdef DIRECT
  atomic { emit(OUT, NJ) }
#endif
}

active [2] proctype worker() {
  byte i, j, q; bool knows, stopped;
again:
  atomic { REST };
  if
  PICK_ANY(IS_WORK)
  :: OVER -> goto fin
  fi;
  atomic {                                                        /* begin */
    if
    :: !LIVE(q, i, j) -> forget(i); REST; goto again
    :: LIVE(q, i, j) && q == MED
    :: LIVE(q, i, j) && q == LLM ->
       knows = response[j]; stopped = stop[j];
       if :: !stopped -> held[j] = true :: else fi
    fi };
  if :: atomic { CRASH } :: skip fi;      /* crash */
  if
  :: q == LLM && !knows && !stopped ->
     atomic { unbooked[j]++ };                                    /* the request: paid */
     if :: atomic { faults > 0 -> unbooked[j]--; CRASH } :: skip fi;    /* the one thing not promised */
     atomic {                                                     /* response: the first one wins */
       if
       :: LIVE(q, i, j) && !response[j] -> response[j] = true; knows = true
#ifdef LOSER_IS_QUIET
       :: LIVE(q, i, j) && response[j] -> knows = true
#else
       :: LIVE(q, i, j) && response[j] -> unbooked[j]--; knows = true        /* cancelled, booked as waste */
#endif
       :: else -> unbooked[j]--; REST; goto again
       fi }
  :: else
  fi;
  if
  :: atomic { CRASH }                                     /* crash */
  :: atomic { faults > 0 && !ghost_waits -> faults--; ghost_waits = true; ghost_entry = i; ghost_job = j; ghost_queue = q; ghost_knows = knows }
  :: atomic { faults > 0 && LIVE(q, i, j) -> faults--; forget(i); back[j] = q; queue[j] = LATER; token[j] = 0; REST; goto again }   /* park */
  :: atomic { faults > 0 -> faults--; if :: LIVE(q, i, j) -> forget(i); emit(q, j) :: else -> forget(i) fi; REST; goto again }      /* release */
  :: skip
  fi;
  atomic { commit_work(q, i, j, knows); REST };
  goto again;
fin: skip }

active [2] proctype outbound() {
  byte i, j, q; bool knows, stopped; byte mine;
again:
  atomic { REST };
  if
  PICK_ANY(IS_OUT)
  :: OVER -> goto fin
  fi;
  atomic {                                                        /* take */
    if
    :: !LIVE(OUT, i, j) && !FOLLOWS(OUT, i, j) -> forget(i); REST; goto again
    :: else -> holder[j] = _pid
    fi };
following:
  if
  :: atomic { CRASH }                                     /* crash */
  :: atomic { faults > 0 && FOLLOWS(OUT, i, j) -> faults--; forget(i); add(OUT, j, follow[j]); REST; goto again }     /* release */
  :: atomic { faults > 0 && LIVE(OUT, i, j) -> faults--; forget(i); back[j] = OUT; queue[j] = LATER; token[j] = 0; follow[j] = 0; REST; goto again }  /* park */
  :: skip
  fi;
  atomic {                                                        /* mark S, or find it there */
    if
    :: holder[j] != _pid || (!LIVE(OUT, i, j) && !FOLLOWS(OUT, i, j)) ->
       if :: !LIVE(OUT, i, j) && !FOLLOWS(OUT, i, j) -> forget(i) :: else fi;                /* look: lost or stale */
       REST; goto again
    :: else
    fi;
    if
    :: part[j] == ID && LIVE(OUT, i, j) -> final_text[j] = true; goto closing                    /* the final edit */
#ifdef EARLY_END
    :: part[j] == ID && FOLLOWS(OUT, i, j) -> final_text[j] = true; goto closing
#endif
    :: part[j] == S                                                /* it may be there already: counted */
    :: part[j] == 0 -> part[j] = S
    :: else -> goto waiting
    fi };
  if :: atomic { CRASH } :: skip fi;
  atomic {                                                        /* the message */
    if
    :: LANED(j) && shown_up_to <= j -> assert(shown_up_to == j && ended_up_to == j); shown_up_to = j + 1         /* I3 */
    :: else
    fi };
  if :: atomic { CRASH } :: skip fi;
  atomic {                                                        /* mark its id */
    if
#ifdef ANYBODY_MARKS
    :: part[j] == S && (LIVE(OUT, i, j) || FOLLOWS(OUT, i, j)) -> part[j] = ID; final_text[j] = LIVE(OUT, i, j)
#else
    :: part[j] == S && holder[j] == _pid && (LIVE(OUT, i, j) || FOLLOWS(OUT, i, j)) -> part[j] = ID; final_text[j] = LIVE(OUT, i, j)
#endif
    :: else                                                       /* refused: he deletes his message */
#ifdef KEEPS_REFUSED
       -> stray = true
#endif
    fi };
  goto following;
waiting:
  if
  :: atomic { !FOLLOWS(OUT, i, j) || holder[j] != _pid -> goto following }
  :: atomic { CRASH }
  fi;
closing:
  if :: atomic { faults > 0 && !ghost_waits -> faults--; ghost_waits = true; ghost_entry = i; ghost_job = j; ghost_queue = OUT } :: skip fi;
  atomic { commit_end(i, j); REST };
  goto again;
fin: skip }

active proctype ghost() {
end_ghost:
  do
  :: atomic { ghost_waits && ghost_queue == OUT -> commit_end(ghost_entry, ghost_job); ghost_waits = false; ghost_queue = 0; ghost_entry = 0; ghost_job = 0 }
  :: atomic { ghost_waits && ghost_queue != OUT -> commit_work(ghost_queue, ghost_entry, ghost_job, ghost_knows); ghost_waits = false; ghost_queue = 0; ghost_entry = 0; ghost_job = 0; ghost_knows = false }
  od }

/* unpark, the auditor, and whoever breaks something */
active proctype keeper() {
  byte j;
end_keeper:
  do
#ifndef NO_UNPARK
  :: atomic { in_hand != NOBODY && queue[in_hand] == LATER -> j = in_hand; emit(back[j], j); back[j] = 0; j = 0 }
#ifdef DIRECT
  :: atomic { queue[NJ] == LATER -> emit(back[NJ], NJ); back[NJ] = 0 }
#endif
#endif
#ifndef RIGHT_AUDITOR
  :: atomic { faults > 0 && in_hand != NOBODY && queue[in_hand] != LATER -> faults--; j = in_hand; emit(queue[j], j); j = 0 }
  :: atomic { faults > 0 && in_hand != NOBODY && queue[in_hand] != LATER && queue[in_hand] != OUT -> faults--; j = in_hand; add(OUT, j, follow[j]); j = 0 }
#endif
  :: atomic { faults > 0 && in_hand != NOBODY && token[in_hand] != 0 && stream[token[in_hand]] != 0 ->
       faults--; forget(token[in_hand])
#ifndef NO_AUDITOR
       ; j = in_hand; emit(queue[j], j); j = 0
#endif
     }
  :: atomic { faults > 0 && in_hand != NOBODY && queue[in_hand] != OUT && follow[in_hand] != 0 && stream[follow[in_hand]] != 0 ->
       faults--; forget(follow[in_hand])
#ifndef NO_AUDITOR
       ; j = in_hand; add(OUT, j, follow[j]); j = 0
#endif
     }
  :: atomic { faults > 0 && in_hand != NOBODY && !stop[in_hand] -> faults--; stop[in_hand] = true }
  od }

active proctype monitor() {
  byte j;
  timeout;                                                        /* nobody can do anything any more */
  assert(accepted == NJ && ended_up_to == NJ && in_hand == NOBODY);             /* I1, I4 */
  assert(!stray);                                                 /* I2 */
  for (j : 1 .. LAST_ID) { assert(stream[j] == 0) }
  for (j : 0 .. JOBS - 1) {
    assert(ends[j] == 1);
    assert(unbooked[j] == 0 && !held[j]);                                       /* I5 */
  }
}
