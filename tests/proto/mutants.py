#!/usr/bin/env python3
"""The test of the tests: the protocol with one rule broken at a time. Each broken variant must be noticed, by the simulation
within some seeds or by the contract test named beside it; and the whole protocol must pass in the same settings.

    python3 tests/proto/mutants.py            all of them; exit code 1 if one survives
    python3 tests/proto/mutants.py hold       those with this word in their name"""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import test_access                                                             # noqa: E402
import test_contract                                                           # noqa: E402
import test_pictures                                                           # noqa: E402
from bench import Bench                                                        # noqa: E402
from engine import RedisError, Server, script_texts                            # noqa: E402
from simulate import Simulation                                                # noqa: E402

SEEDS = 40                   # after so many it has survived
CALM = {"pending": 0, "wrong_audit": 0, "late": 0}       # nothing for an auditor to do
ROUGH = {"pending": .004, "wrong_audit": .01}            # and plenty
LOSSY = {"pending": .004, "wrong_audit": 0}
DOUBLE = {"claim": .2, "response_fails": .2, "command": .15, "post_refused": .02}      # two hold one entry all the time
MOVES = {"migrate": .2, "command": .1, "retry": .3}      # all groups do, soon
CROWD = {"response_fails": 0, "post_refused": 0, "crash": .002}


class Mutant:
    def __init__(self, rule, name, change=None, bent=(), faults=None, contract=None, repairs=False, **settings):
        self.rule, self.name, self.change, self.bent, self.contract = rule, name, change or {}, bent, contract
        self.faults, self.repairs, self.settings = faults, repairs, settings      # repairs: also a repair by the auditor is a catch


def instead(*pairs):
    """A change of a script's text that must find what it replaces."""
    def change(text):
        for old, new in pairs:
            assert text.count(old) >= 1, f"nothing to replace: {old!r}"
            text = text.replace(old, new)
        return text
    return change


def without(old):
    return instead((old, ""))


MUTANTS = [
    Mutant(0, "nothing is broken"),
    Mutant(0, "nothing is broken, nothing gets lost: no repairs", faults=CALM, repairs=True),
    Mutant(0, "nothing is broken, much gets lost", faults=ROUGH),
    Mutant(0, "nothing is broken, some is lost for good", faults=LOSSY),
    Mutant(0, "nothing is broken, two hold one entry", faults=DOUBLE),
    Mutant(0, "nothing is broken, all groups move", faults=MOVES),
    Mutant(0, "nothing is broken, updates are accepted as they come", unordered=True),

    Mutant(1, "an update's bit is not looked at", {"lib": instead(("update % 65536) == 1", "update % 65536) == 2"))}),
    Mutant(1, "the update is confirmed before there is an answer", bent=["confirms_first"]),
    Mutant(2, "accept dispatches although one is in hand", {"accept": instead(("if not in_hand then dispatch", "if true then dispatch"))}),
    Mutant(2, "the end dispatches nobody", {"lib": instead(("if conv ~= '' then dispatch(conv) end", "if conv ~= '' then call('HDEL', chat_key(conv), 'job') end"))}, faults=CALM),
    Mutant(2, "no follow entry", {"lib": without("  if first ~= 'outbound' then emit_follow(job) end\n")},
           faults=CALM, repairs=True),
    Mutant(2, "two entries for a job that begins in outbound", {"lib": without("if first ~= 'outbound' then ")},
           contract="test_a_job_that_begins_in_outbound_has_one_entry"),
    Mutant(3, "an entry of the right stream is live", {"lib": instead(("r[1] == q and r[2] == e", "r[1] == q"))}),
    Mutant(3, "the pending list decides (XACK = 1)",
           {"lib": instead(("r[1] == q and r[2] == e then", "call('XPENDING', P .. q, q, e, e, 1)[1] then"))}, faults=ROUGH),
    Mutant(3, "a stale entry stays", {"lib": instead(("local function forget(q, e)", "local function forget(q, e)\n  do return end"))}),
    Mutant(4, "the ledger hears before the guard",
           {"commit": instead(("local is, conv = guard(q, e, job)", "for _, event in ipairs(events) do call('XADD', LEDGER, '*', unpack(event)) end\nlocal is, conv = guard(q, e, job)"),
                              ("if hold then settle(job, hold, cost) end\nfor _, event in ipairs(events) do call('XADD', LEDGER, '*', unpack(event)) end", "if hold then settle(job, hold, cost) end"))}, faults=DOUBLE),
    Mutant(4, "llm ends what it gives up", bent=["dead_ends_itself"]),
    Mutant(4, "types are asked after the acknowledgement",
           {"commit": instead(("need_to_move(conv)\n", ""))}, contract="test_a_commit_asks_for_types_first"),
    Mutant(5, "a stale response is always waste", bent=["stale_is_waste"], faults=DOUBLE),
    Mutant(5, "what was paid for nothing is not booked", bent=["no_waste"], faults=DOUBLE),
    Mutant(5, "a parked delivery asked for again is early", {"park": without("if q == 'outbound' then call('HSET', job_key(job), 'follow', '') end")},
           contract="test_a_park_asked_again_is_over"),
    Mutant(6, "release only lets go", {"release": instead(("ack(q, e)\n", "ack(q, e)\ndo return 'ok' end\n"))}, faults=CALM, repairs=True),
    Mutant(6, "nobody looks for his own pendings", bent=["own_never"], faults=CALM),
    Mutant(6, "two who saw him die both get his entries", {"claim": instead(("pending and pending[2] == from", "true"))},
           contract="test_takeovers_are_counted_only_from_the_dead"),
    Mutant(7, "a crash is counted for each asking", {"crashed": without("if run and r[2] == run then return tonumber(r[1]) end\n")},
           contract="test_a_crash_is_counted_once_per_run"),
    Mutant(7, "looking for one's own counts as a takeover", {"claim": instead(("whose == 'dead' and 1 or 0", "1"))},
           contract="test_takeovers_are_counted_only_from_the_dead"),
    Mutant(8, "new begins no new dialogue", {"control": instead((") or 0) + 1", ") or 0)"))}, faults={"command": .3}),
    Mutant(8, "an answer of the old dialogue enters the new one", {"commit": instead(("told[1] == epoch then   --", "true then   --"))}, faults={"command": .3}),
    Mutant(8, "new forgets who is in hand", {"control": without("  if running then call('HSET', chat_key(conv), 'job', running) end\n")}, faults={"command": .3}),
    Mutant(8, "what is parked right behind a stop sleeps on", {"park": instead(("then wait_ms = 0 end", "then wait_ms = wait_ms end"))},
           contract="test_stop_does_not_wait_for_a_job_that_is_parked_right_behind_it"),
    Mutant(12, "what never left counts as a try", {"park": instead(("if posts > 0 then", "if false then"))},
           contract="test_a_request_that_never_left_is_no_try"),
    Mutant(8, "stop wakes no parked job", {"control": without("  hurry(running, conv)\n")}, contract="test_stop_does_not_wait_for_a_parked_job_but_respects_telegrams_pause"),
    Mutant(8, "a stop waits for the dead", {"control": without("    if wake(running, field, 'stop') == 0 then pass_on(running, conv, field) end\n")},
           contract="test_stop_does_not_wait_for_the_dead"),
    Mutant(8, "a stop takes the work from the living", {"control": instead(("'stop') == 0 then", "'stop') then"))}, contract="test_stop_leaves_the_living_alone"),
    Mutant(8, "who stops too late hears nothing", {"commit": without("if in_vain then say_to_who_asked('-said', 'nothing_to_stop') end\n")},
           contract="test_a_stop_that_comes_too_late_is_told_so"),
    Mutant(9, "a follow entry is stale while the model works", {"lib": instead(("return 'follow', conv", "return 'stale', conv"))}, faults=CALM, repairs=True),
    Mutant(9, "a follower may end the job early", {"commit": instead(("if is == 'follow' then return 'early' end", ""))}, bent=["naive_follower"]),
    Mutant(9, "what comes in between is not known", {"mark": without("if string.match(part, '^%d+$') then note_message(conv, to) end\n")},
           contract="test_what_comes_in_between_is_known_before_a_private_answer_is_sent"),
    Mutant(9, "a question is not known to have come in between", {"accept": without("note_message(conv, asked.message)\n")},
           contract="test_what_comes_in_between_is_known_before_a_private_answer_is_sent"),
    Mutant(9, "anybody may mark", {"mark": instead((" or r[1] ~= worker", ""))}, contract="test_parts_are_marked_by_their_holder_one_step_at_a_time"),
    Mutant(9, "whose id is refused leaves his message", bent=["keeps_refused"], faults=DOUBLE),
    Mutant(9, "no second final edit", bent=["no_second_edit"], faults={"send_lost": .1, "crash": .02, "claim": .3}, seeds=200),
    Mutant(9, "the holder is not looked at", {"look": instead(("is = 'lost' end", "is = is end"))}, contract="test_look_says_that_another_one_has_it"),
    Mutant(10, "no mark before a message", bent=["no_mark"]),
    Mutant(10, "a mark that compares nothing", {"mark": without("if is ~= from then return { 'no', is } end\n")}, faults=DOUBLE,
           contract="test_parts_are_marked_by_their_holder_one_step_at_a_time"),
    Mutant(10, "a late id after the end is refused", {"mark": instead(("if not (r[3] and", "if true or not (r[3] and"))},
           contract="test_a_message_that_arrives_after_the_end_is_kept_when_it_is_the_only_one"),
    Mutant(11, "say does not compare the length", {"say": without("if length ~= before then return length end\n")}),
    Mutant(11, "commit brings the rest whatever is there", {"commit": instead(("string.sub(rest, length - text_length + 1)", "rest"), ("elseif #rest > length - text_length then", "elseif rest ~= '' then"))}, faults=DOUBLE),
    Mutant(11, "commit drops the rest when another one has said more", {"commit": instead(("elseif #rest > length - text_length then", "elseif length == text_length then"))}, faults=DOUBLE),
    Mutant(11, "a lost response's text stays", {"begin": instead(("else call('DEL', text_key(job)) end", "end"))}, faults=DOUBLE),
    Mutant(11, "a lost response takes the earlier rounds with it", {"begin": instead(("if said > 0 then", "if false then"))}, faults=DOUBLE),
    Mutant(11, "say does not ask whose words", bent=["anybody_says"], faults=DOUBLE, seeds=300,
           contract="test_words_of_a_response_given_up_as_lost_are_not_said", change={"say": instead(("if ARGV[7] and", "if false and"))}),
    Mutant(12, "requests are not counted", {"begin": without("call('HSET', job_key(job), 'posts:' .. paid_call, try)\n")}),
    Mutant(12, "two holders count as one", {"begin": instead(("elseif begun or try ~= posts then", "elseif try ~= posts then"))}, faults={"claim": .2, "post_refused": .3}),
    Mutant(12, "the last response wins", {"response": instead(("if call('HSETNX', job_key(job), 'response:' .. paid_call, id) == 1 then", "do call('HSET', job_key(job), 'response:' .. paid_call, id)"))}, faults=DOUBLE),
    Mutant(12, "what was settled is wasted as well", {"book": instead(("== of.response then return 'dup' end", "== of.response then return call('XADD', LEDGER, '*', unpack(event)) and 'ok' end"))},
           contract="test_what_another_has_settled_is_not_wasted"),
    Mutant(12, "what was wasted is settled as well", {"commit": instead(("if is_paid then", "if false then"))},
           contract="test_what_has_been_booked_as_wasted_is_not_paid_again"),
    Mutant(12, "a known response is not looked for", {"begin": instead(("if response and response ~= lost then", "if false then"))}),
    Mutant(12, "a response is not written down", bent=["response_unrecorded"]),
    Mutant(12, "the end does not say what it settles", bent=["blind_end"], faults=DOUBLE, seeds=200),
    Mutant(12, "the head of the chain moves with each turn", {"commit": instead(("if response ~= '' then call('HSET', chat_key(conv), 'response', response", "if told[4] then call('HSET', chat_key(conv), 'response', told[4]"))},
           contract="test_the_head_moves_only_when_told"),
    Mutant(12, "a loser does not book", bent=["loser_keeps_quiet"], faults=DOUBLE),
    Mutant(12, "parked is not later", {"park": without("call('ZADD', LATER, due, conv ~= '' and 'conv:' .. conv or 'job:' .. job)\n")}, faults=CALM, repairs=True),
    Mutant(12, "unpark forgets", {"unpark": instead(("if r[1] == 'later' and r[2] then", "if false then"))}, faults=CALM, repairs=True),
    Mutant(13, "a hold asks nobody", {"begin": instead(("  if over then return { 'over', over } end\n  if held_by then return { 'held', held_by } end\n", ""), ("if free < reserved then reserved = free end", ""))}, faults=CROWD),
    Mutant(13, "a hold does not see the others' holds", {"begin": instead(("local free = left - (tonumber(s[2]) or 0)", "local free = left"))}, faults=CROWD),
    Mutant(13, "a hold is never given back", {"lib": instead(("      if hold.amount ~= '0' then call('HINCRBY', spend_key(period), 'held', '-' .. hold.amount) end\n", ""))}),
    Mutant(13, "a hold is settled again and again", {"lib": without("  call('HDEL', job_key(job), 'hold:' .. hold.call)\n")}, contract="test_a_reservation_is_settled_exactly_once"),
    Mutant(13, "each request takes its hold", {"begin": instead(("if hold then return { 'go'", "if false then return { 'go'"))}),
    Mutant(13, "the cost is not counted", {"lib": without("      call('HINCRBY', spend_key(period), 'spent', cost)\n")}),
    Mutant(13, "a budget of nothing lets a free call through", {"begin": instead((" or tonumber(limit) == 0 then", " then"))}, contract="test_nothing_may_be_spent_under_a_budget_of_nothing"),
    Mutant(14, "the ledger acknowledges before it writes", bent=["ledger_acks_first"], faults={"crash": .03}),
    Mutant(14, "events are stored as often as they are read", bent=["stream_ids"], faults={"claim": .2}),
    Mutant(14, "waste is booked each time", {"book": instead(("if not call('SET', P .. 'booked:' .. id, 1, 'NX', 'EX', DAY) then return 'dup' end", "call('SET', P .. 'booked:' .. id, 1, 'EX', DAY)"))}, faults=DOUBLE),
    Mutant(15, "no auditor, and much gets lost", bent=["no_audit"], faults=LOSSY),
    Mutant(15, "the auditor takes any delivered entry for well", {"audit": instead(("return not pending or call('HEXISTS', P .. 'workers', pending[2]) == 0", "return false"))}, faults=LOSSY),
    Mutant(15, "the auditor forgets the follow entry", {"audit": instead(("if q ~= 'outbound' and (follow", "if false and (follow"))},
           contract="test_the_auditor_brings_back_what_vanished", args=["pendings"]),
    Mutant(15, "a wrong auditor, and the stream is all that counts", {"lib": instead(("r[1] == q and r[2] == e", "r[1] == q"))}, faults=ROUGH),
    Mutant(16, "one with pendings leaves the books", {"reap": instead(("#call('XPENDING', P .. q, q, '-', '+', 1, worker) > 0", "false"))}, contract="test_nobody_leaves_with_something_pending"),

    # ---- what people do: 17 texts in several messages, 18 edits, 19 buttons and retries, 20 nobody is there, 21 groups that move
    Mutant(17, "parts join whatever has become of the question", {"accept": without("  if (tonumber(q.open) or 0) <= now() or (question == in_hand and q.queue ~= 'later') then return nil end\n")}),
    Mutant(17, "parts join after it was emitted", {"accept": without(" or (question == in_hand and q.queue ~= 'later')")},
           contract="test_what_is_no_part_is_a_question_of_its_own", args=["begun"]),
    Mutant(17, "parts join at any time", {"accept": instead(("(tonumber(q.open) or 0) <= now()", "not q.open"))}),
    Mutant(17, "parts join although Telegram has them at another time", {"accept": instead(("apart <= 2", "apart <= 1e9"))}),
    Mutant(17, "another's parts join", {"accept": instead(("q.gather ~= gather", "not q.gather"))}),
    Mutant(17, "parts join that were sent before", {"accept": instead(("and not (message and last and message <= last)", ""))}, unordered=True),
    Mutant(17, "parts join without end", {"accept": without("  if #q.text + #asked.text >= 262144 then return nil end\n")},
           contract="test_what_is_no_part_is_a_question_of_its_own", args=["too much"]),
    Mutant(17, "parts join in front", {"accept": instead(("q.text .. (q.seam or '') .. asked.text", "asked.text .. (q.seam or '') .. q.text"))}),
    Mutant(17, "the seam is forgotten", {"accept": instead((".. (q.seam or '') ..", ".."))}),
    Mutant(17, "a text that is whole stays open", {"accept": without("call('HDEL', job_key(question), 'open', 'gather', 'seam')")}),
    Mutant(17, "a text that is whole waits on", {"accept": instead(("  call('ZREM', LATER, 'conv:' .. conv)\n  emit(q.back, question, conv)\n", ""))},
           contract="test_a_text_in_three_messages_is_one_question"),
    Mutant(17, "a text that is whole is never emitted", {"accept": instead(("  emit(q.back, question, conv)\n", ""))}, faults=CALM, repairs=True),
    Mutant(17, "a part gives the next one no time", {"accept": instead(("if question == in_hand then call('ZADD', LATER", "if false then call('ZADD', LATER"))},
           contract="test_each_part_gives_the_next_one_its_time"),
    Mutant(17, "dispatch does not wait for an open question", {"lib": instead(("if open and tonumber(open) > now() then", "if false then"))},
           contract="test_an_open_question_that_comes_to_the_front_still_waits"),
    Mutant(17, "an open question is never emitted", {"lib": without("    call('ZADD', LATER, open, 'conv:' .. conv)\n")}, faults=CALM, repairs=True),
    Mutant(17, "what was no part is taken for seen", {"accept": instead(("and answer ~= 'more' then return 'other'", "and answer ~= 'more' and not seen_before(update) then return 'other'"))},
           contract="test_what_may_only_be_a_part_is_left_alone"),
    Mutant(17, "pictures are no album", {"accept": without("  if is_album then return q end\n")},
           contract="test_pictures_that_are_accepted_out_of_order_are_one_album_all_the_same"),
    Mutant(17, "a picture takes the place of another", {"accept": instead(("'file:' .. had + n", "'file:' .. n"))}, contract="test_an_album_is_one_question"),
    Mutant(17, "only the first picture's words count", {"accept": without("  if q.text == '' then list[#list + 1], list[#list + 2] = 'text', asked.text end\n")},
           contract="test_an_album_is_one_question"),
    Mutant(17, "an album is whole with each picture", {"accept": instead(("return list, had + more >= MOST", "return list, true"))}, contract="test_an_album_is_one_question"),
    Mutant(17, "each picture of an album is refused aloud", {"accept": instead(("local told = is_album and", "local told = false and"))},
           contract="test_an_album_that_finds_no_room_is_told_so_once"),
    Mutant(17, "an album has no end", {"accept": instead(("had + more >= MOST", "false"))}, contract="test_an_album_of_ten_waits_for_no_more"),
    Mutant(17, "what is being done wakes each time it is said", {"doing": without("if call('HGET', job_key(job), 'doing') == doing then return 0 end\n")},
           contract="test_what_is_being_done_is_told_once_to_whoever_shows_it"),
    Mutant(17, "only an answer's very first words wake", {"say": instead(("(tonumber(told[2]) or 0)", "0"))}, contract="test_the_first_words_of_each_round_wake_whoever_shows_them"),
    Mutant(17, "a transcript wakes nobody", {"commit": without("  if rest ~= '' then wake(job, 'holder', 'text') end\n")}, contract="test_the_first_words_of_each_round_wake_whoever_shows_them"),
    Mutant(18, "an edit of an older question is asked", {"accept": instead(("if message < last or parts or", "if"))}),
    Mutant(18, "an edit of a part is asked", {"accept": instead(("if message < last or parts or", "if message < last or"))}),
    Mutant(18, "an edit of a part is asked after a retry", {"retry": instead(("'edited', 'parts',", "'edited',"))},
           contract="test_an_edit_of_a_part_is_old_also_after_a_retry"),
    Mutant(18, "an edit that changes nothing is asked", {"accept": without("  if text == asked.text then return 'same' end\n")}),
    Mutant(18, "an edit changes what the model was asked", {"accept": instead(("return waiting > 0 and tail == last_job and 'changed' or nil", "return 'changed'"))}),
    Mutant(18, "a waiting question that is edited is asked twice", {"accept": instead(("tail == last_job and 'changed'", "nil"))}, contract="test_an_edit_of_a_question_that_waits_changes_it"),
    Mutant(18, "an edit joins", {"accept": instead(("gather ~= '' and edit == '' and tail", "gather ~= '' and tail"))}, contract="test_an_edit_is_no_further_part"),
    Mutant(19, "the button stops whatever runs", {"control": without("if not is_meant then running = nil end\n")}),
    Mutant(19, "a button is about where it is pressed", {"lib": instead(("and its[2] == chat and its[1] or conv", "and conv or conv"))},
           contract="test_a_button_is_about_its_own_conversation_wherever_it_is_pressed"),
    Mutant(19, "a button of another chat works", {"lib": instead(("and its[2] == chat and its[1]", "and its[1]"))}, contract="test_a_button_of_another_chat_is_nothing_here"),
    Mutant(19, "another's button works", {"control": instead(("local denied = alive and", "local denied = false and"))}),
    Mutant(19, "administrators are like anybody", {"control": instead(("asked.role ~= 'admin' and ", ""))}, contract="test_an_administrator_may_stop_anybodys_answer"),
    Mutant(19, "the button turns on", {"control": instead(("elseif asked.callback then", "elseif false then"))}),
    Mutant(19, "the button turns on after a retry", {"retry": instead(("if asked.callback then", "if false then"))}, contract="test_a_retry_goes_on_from_the_same_parent_and_replaces_the_answer"),
    Mutant(19, "a retry does not rewind", {"retry": instead(("rewind()\nagain()", "again()"))}),
    Mutant(19, "a retry rewinds the turn before", {"retry": instead(("if not was.turn or was.turn ~= chat.turns then return end", "if not chat.turns then return end\n  was.turn = chat.turns"))}),
    Mutant(19, "a retry leaves the head", {"retry": instead(("if (chat.parent or '') == '' then", "if true then return elseif false then"))}),
    Mutant(19, "a retry begins the chain anew", {"retry": instead(("if (chat.parent or '') == '' then", "if true then"))}),
    Mutant(19, "a retry leaves what the head stands for", {"retry": instead((", 'chained', chat.parent_chained or 0)", ")"))}),
    Mutant(19, "the turn does not know its parent", {"commit": instead(("'parent', head or ''", "'parent', ''"))}),
    Mutant(19, "the job does not know its turn", {"commit": without("    call('HSET', job_key(job), 'turn', turn)\n")}),
    Mutant(19, "a retry while something is in hand", {"retry": instead(("return chat.job and 'busy' or 'ok'", "return 'ok'"))}),
    Mutant(19, "a retry of an older question", {"retry": instead(("(target ~= '' and target ~= last)", "false"))}),
    Mutant(19, "a retry of another's question", {"retry": instead(("if was.user ~= asked.user", "if false"))}),
    Mutant(19, "a retry cannot be asked for again", {"retry": without("  call('HSET', chat_key(conv), 'last_job', job)\n")}),
    Mutant(19, "the old answer's messages are not taken over", {"retry": instead(("and tonumber(value) then", "and false then"))}),
    Mutant(19, "the rest of a longer old answer stays", bent=["surplus_stays"]),
    Mutant(19, "a retry hears and uploads again", {"retry": instead(("if was.prelude then                    --", "if false then --"))},
           contract="test_what_was_heard_is_asked_again_without_hearing_it_again"),
    Mutant(19, "a retry loses the files", {"retry": instead(("'^file:%d', ", ""))}, contract="test_what_media_could_not_finish_is_begun_again_with_what_was_paid"),
    Mutant(19, "a retry loses what was paid", {"retry": instead(("'^response:heard:%d+$', ", ""))}, contract="test_what_media_could_not_finish_is_begun_again_with_what_was_paid"),
    Mutant(19, "a retry books again", {"retry": instead(("'^booked:%d+$', ", ""))}, contract="test_what_media_could_not_finish_is_begun_again_with_what_was_paid"),
    Mutant(20, "begin does not look who is gone", {"begin": instead(("if not stop and r[7]", "if false and r[7]"))},
           contract="test_what_is_still_asked_for_somebody_who_is_gone_is_stopped_before_it_costs"),
    Mutant(20, "who speaks stays gone", {"accept": without("is_heard_from(chat)\n")}),
    Mutant(20, "who is back stays gone", {"control": instead(("  call('DEL', gone)\n  return 'idle'", "  return 'idle'"))}),
    Mutant(20, "who presses stays gone", {"control": instead(("if what ~= 'gone' then is_heard_from(asked.chat or '') end", ""))}),
    Mutant(20, "who is gone is answered what waits", {"control": instead(("what == 'new' or what == 'gone'", "what == 'new'"))}, contract="test_who_blocked_the_bot_costs_nothing_more"),
    Mutant(20, "who is gone is gone for ever", {"control": instead((", 1, 'EX', 60 * DAY)", ", 1)"))}, faults={"gone": .1}),
    Mutant(21, "a group forgets who waits", {"lib": without("  if call('EXISTS', lane_key(old)) == 1 then call('RENAME', lane_key(old), lane_key(conv)) end\n")}, faults=MOVES),
    Mutant(21, "a group forgets who is parked", {"lib": instead(("    call('ZADD', LATER, due, 'conv:' .. conv)\n", ""))}, faults={**CALM, **MOVES}, repairs=True),
    Mutant(21, "a group leaves who is parked", {"lib": instead(("  if due then\n", "  if false then\n"))}, faults={**CALM, **MOVES}, repairs=True),
    Mutant(21, "a group that is busy is no longer", {"lib": instead(("  if call('ZREM', BUSY, old) == 1 then call('ZADD', BUSY, at, conv) end\n", ""))},
           contract="test_a_group_that_moved_has_its_parked_job"),
    Mutant(21, "the jobs of a group do not know that it has moved", {"lib": instead(("if is_job(job) then call('HSET', job_key(job), 'conv', conv, 'chat', chat) end", ""))}, faults=MOVES),
    Mutant(21, "what waits does not know where it is to be said", {"lib": instead(("'conv', conv, 'chat', chat)", "'conv', conv)"))}, contract="test_a_group_keeps_its_dialogue_and_what_is_under_way"),
    Mutant(21, "a new dialogue gives way to the old one", {"lib": instead(("or call('EXISTS', chat_key(conv)) == 1 or", "or"))}, contract="test_a_group_that_has_a_new_dialogue_keeps_that"),
    Mutant(21, "a group moves when somebody asks, and only then", {"control": without("if old then move(old, conv) end\n"), "retry": without("if old then move(old, conv) end\n")}, faults=MOVES),
    Mutant(21, "its old id is remembered for ever", {"migrate": instead((", 'EX', 60 * DAY", ""))}, faults=MOVES),

    # ---- 22 what was uploaded
    Mutant(22, "uploads are remembered nowhere", {"commit": instead(("if #uploads > 0 and told[1] == epoch then", "if false then"))}, contract="test_uploads_are_the_conversations"),
    Mutant(22, "uploads of an older dialogue are the new one's", {"commit": instead(("if #uploads > 0 and told[1] == epoch then", "if #uploads > 0 then"))},
           contract="test_what_is_uploaded_after_new_is_deleted"),
    Mutant(22, "uploads are remembered for ever", {"commit": without("  call('EXPIRE', uploads_key(conv), 60 * DAY)\n")}, contract="test_uploads_are_the_conversations"),
    Mutant(22, "new leaves the files there", {"control": instead(("if #uploads > 0 then\n    call('DEL'", "if false then\n    call('DEL'"))},
           contract="test_new_has_the_files_deleted_in_nobodys_way"),
    Mutant(22, "new leaves the list", {"control": without("    call('DEL', uploads_key(conv))\n")}, contract="test_new_has_the_files_deleted_in_nobodys_way"),
    Mutant(22, "stop deletes the files", {"control": instead(("(what == 'new' or forgets) and call('HKEYS'", "call('HKEYS'"), ("if what == 'gone' then\n", "forget_files(job .. '-files', '', '', uploads)\nif what == 'gone' then\n"))},
           contract="test_stop_deletes_no_files"),
    Mutant(22, "who is forgotten leaves a library", {"control": instead(("if forgets then\n  local shelf", "if false then\n  local shelf"))},
           contract="test_who_is_to_be_forgotten_leaves_nothing_in_redis"),
    Mutant(22, "somebody is forgotten amid an answer", {"control": instead(("if forgets and alive then", "if false then"))},
           contract="test_nobody_is_forgotten_while_an_answer_is_being_made"),
    Mutant(22, "a refused question goes to the ledger", {"lib": instead(("'first', 'outbound', 'kind', kind, 'line', line", "'kind', kind, 'line', line"))},
           contract="test_a_strangers_question_to_the_ledger_never_gets_there"),
    Mutant(22, "the button deletes nothing", {"files": without("  forget_files(job .. '-files', asked.chat or '', asked.user or '', { dropped.id })\n")},
           contract="test_a_file_is_deleted_by_its_button_once"),
    Mutant(22, "what the button deleted stays in the list", {"files": without("  gone[#gone + 1] = dropped.id\n")}, contract="test_a_file_is_deleted_by_its_button_once"),
    Mutant(22, "expired files are listed", {"files": instead(("elseif file.ms + MONTH < now()", "elseif false"))}, contract="test_expired_files_are_not_listed"),
    Mutant(22, "the oldest files come first", {"files": instead(("a.ms > b.ms", "a.ms < b.ms"))}, contract="test_files_are_listed_newest_first_and_not_without_end"),
    Mutant(22, "a group that moves leaves its files", {"lib": instead(("if call('EXISTS', uploads_key(old)) == 1 then", "if false then"))},
           contract="test_a_group_that_moves_takes_its_files_along"),

    # ---- 23 what /img leaves open, pictures and their bytes
    Mutant(23, "a prompt goes to the model as well", {"accept": without("if answer then return answer == 'prompt' and 'ok' or answer == 'more' and 'joined' or 'same' end\n")},
           contract="test_the_next_text_is_the_prompt_and_goes_to_no_model"),
    Mutant(23, "every further text is a prompt", {"accept": instead(("if open.step ~= 'size' then return nil end", "if open.step == 'size' and edit == '' then return 'prompt' end"))},
           contract="test_a_text_after_the_prompt_is_a_question"),
    Mutant(23, "whatever is said is a prompt", {"accept": instead(("and answer ~= 'more' then", "and not answer then"))},
           contract="test_what_is_not_said_to_us_is_no_prompt"),
    Mutant(23, "another one's text is a prompt", {"lib": without(" .. ':' .. (asked.user or '')")}, contract="test_another_ones_text_is_no_prompt", args=["user"]),
    Mutant(23, "a prompt from another topic", {"lib": without(" .. ':' .. (asked.topic or '0')")}, contract="test_another_ones_text_is_no_prompt", args=["topic"]),
    Mutant(23, "an edited prompt goes to the model", {"accept": without(" or kind == 'image' or kind == 'line'")},
           contract="test_a_prompt_whose_question_has_expired_goes_to_no_model_when_edited"),
    Mutant(23, "a command leaves the question open", {"control": without("if not asked.callback and not of_draft then call('DEL', ask_key(asked)) end\n")},
           contract="test_any_command_ends_the_question", args=["cancel", "size"]),
    Mutant(23, "help leaves the question open", {"accept": without("  if not asked.callback then call('DEL', ask_key(asked)) end             -- a command ends what /img has left open\n")},
           contract="test_any_command_ends_the_question", args=["help", "prompt"]),
    Mutant(23, "an open question is never closed", {"lib": without("  call('EXPIRE', key, 600)\n")}, contract="test_img_alone_asks_and_waits_ten_minutes"),
    Mutant(23, "a double tap is two pictures", {"choose": without("  if what == 'size' then call('DEL', ask_key(asked)) end\n")}, contract="test_a_size_makes_the_picture_once"),
    Mutant(23, "the nonce is not compared", {"choose": without(" or open.nonce ~= target")}, contract="test_a_button_of_an_older_question_draws_nothing"),
    Mutant(23, "a double tap on again is two pictures", {"choose": instead(("elseif is_under_way()", "elseif false"))},
           contract="test_again_draws_the_same_and_a_double_tap_is_one_picture"),
    Mutant(23, "anybody chooses", {"choose": instead(("if was.user ~= asked.user and", "if false and"))}, contract="test_buttons_of_others_and_of_long_ago", args=["again"]),
    Mutant(23, "pictures pass the lane", {"choose": instead(("if not in_hand then dispatch", "if true then dispatch"))}, contract="test_a_picture_waits_in_the_lane"),
    Mutant(23, "a lane of pictures has no end", {"choose": instead(("waiting >= lane_max", "false"))}, contract="test_a_full_lane_keeps_the_question"),
    Mutant(23, "a retry forgets the size", {"retry": without("'size', ")}, contract="test_a_failed_picture_is_tried_again_with_its_size"),
    Mutant(14, "what was told is told again", {"told": instead(("if is ~= 'live' then", "if is == 'never' then"))}, contract="test_a_question_to_the_ledger_is_answered_once"),
    Mutant(14, "a choice is made twice", {"wish": instead(("if guard(q, e, job) ~= 'live' then", "if false then"))}, contract="test_a_choice_comes_back_as_a_change_once"),
    Mutant(14, "a message to everybody comes twice", {"spread": instead(("local gives = id == b.id and after == b.after and", "local gives = id == b.id and"))},
           contract="test_a_message_to_everybody_is_given_to_each_once"),
    Mutant(14, "a message to everybody goes to whoever left", {"spread": instead(("if call('EXISTS', P .. 'gone:' .. user) == 1 then", "if false then"))},
           contract="test_whoever_left_is_passed_over_and_counted"),
    Mutant(14, "a word is overtaken by an earlier one", {"spread": instead((" and broadcast_is_shown(b) then", " then"))}, contract="test_how_far_it_is_is_said_in_order"),
    Mutant(14, "a message to everybody is sent by each press", {"broadcast": instead(("if not text or decided or", "if not text or"))},
           contract="test_a_message_to_everybody_is_decided_about_once"),
    Mutant(14, "the last answer may cost what it likes", {"begin": instead(("math.max(least, tonumber(s[3]) or 0) or least", "least or least"))},
           contract="test_once_half_is_spent_a_call_must_leave_room_for_what_such_calls_cost"),
    Mutant(14, "a group swallows that a budget is nearly spent", {"lib": instead(("'chat_type') ~= 'private' then return end      -- in", "'chat_type') == '' then return end      -- in"))},
           contract="test_that_a_budget_is_nearly_spent_is_not_said_in_a_group_and_not_forgotten"),
    Mutant(14, "a model is changed without end", {"accept": instead(("if asked.what == 'model' and is_too_fast", "if false and is_too_fast"))},
           contract="test_who_changes_his_model_too_often_is_slowed_down"),
    Mutant(14, "a chat that waits for hours holds up everybody", {"spread": instead(("elseif queue == 'later' then", "elseif false then"))},
           contract="test_a_chat_that_waits_for_hours_holds_up_nobody_else"),
    Mutant(14, "a report that was deleted comes again and again", {"lib": instead(("string.match(stood, '^%d+$') or b.message", "b.message"))},
           contract="test_a_report_that_was_deleted_is_followed_by_one_other"),
    Mutant(14, "a broadcast loses its last word to the next", {"broadcast": instead(("if was.id and was.shown_state ~= was.state then", "if false then"))},
           contract="test_the_last_word_is_said_before_another_begins"),
    Mutant(14, "those who have got it are not counted", {"lib": instead(("else count_broadcast(job, how) end", "end"))}, contract="test_only_a_few_are_on_their_way_at_a_time"),
    Mutant(14, "what was given up is asked twice", {"revive": instead(("elseif answer == 'ok' then call('XDEL', DEAD, id) end", "end"))},
           contract="test_what_was_given_up_is_asked_again_once"),
    Mutant(14, "what is asked again passes the lane", {"revive": instead(("if not call('HGET', chat_key(conv), 'job') then dispatch(conv) end", "dispatch(conv)"))},
           contract="test_what_is_asked_again_waits_in_its_lane"),
    Mutant(14, "a job forgets which model was set", {"accept": without("put_models(job, models)\n")}, contract="test_a_job_takes_the_models_along_that_are_set_when_it_comes"),
    Mutant(14, "a choice stays when it is not permitted any more", {"lib": instead(("own = nil end", "end"))},
           contract="test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted", args=("", "gpt-9")),
    Mutant(14, "a part of a name is permitted", {"lib": instead(("',' .. own .. ','", "own"))},
           contract="test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted", args=("gpt-own-2,my-gpt-own,gpt-ow", "gpt-9")),
    Mutant(14, "a name is taken for a pattern", {"lib": instead((", 1, true) then own", ") then own"))},
           contract="test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted", args=("gpt-own", "gpt-own")),
    Mutant(14, "who permits all permits nothing", {"lib": instead(("if own and permitted ~= 'all' and", "if own and"))},
           contract="test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted", args=("all", "gpt-own")),
    Mutant(14, "nobody knows whose choice it was", {"lib": instead(("own and { 'own_model', 1 } or {}", "{}"))},
           contract="test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted", args=("all", "gpt-own")),
    Mutant(14, "an accepted question forgets what is permitted", {"accept": instead(("models_of(asked.user, user_models)", "models_of(asked.user)"))},
           contract="test_a_user_has_the_model_that_he_has_chosen_while_it_is_permitted", args=("all", "gpt-own")),
    Mutant(14, "a retry forgets what is permitted", {"retry": instead(("models_of(asked.user, user_models)", "models_of(asked.user)"))},
           contract="test_what_is_answered_anew_has_the_model_that_is_chosen_and_permitted_now", args=("all", "gpt-own")),
    Mutant(14, "a picture drawn again forgets what is permitted", {"choose": instead(("models_of(asked.user, user_models)", "models_of(asked.user)"))},
           contract="test_a_picture_that_is_drawn_again_has_the_models_of_who_presses"),
    Mutant(14, "what was given up forgets what is permitted", {"revive": instead(("models_of(was.user, user_models)", "models_of(was.user)"))},
           contract="test_what_was_given_up_has_it_too", args=("all", "gpt-own")),
    Mutant(14, "who may talk already is told so again", {"told": instead(("if may and not might then", "if may then"))},
           contract="test_a_second_press_tells_the_stranger_nothing_new"),
    Mutant(14, "only whoever pressed sees what was decided", {"told": instead(("messages[admin] = messages[admin] or", "messages[admin] = messages[admin] and"))},
           contract="test_a_press_lets_a_stranger_in_and_everybody_concerned_hears_of_it"),
    Mutant(14, "a late answer changes settings", {"told": instead(("  forget(q, e)\n  return 'stale'", "  write_kept(writes)\n  return 'stale'"))},
           contract="test_an_answer_that_comes_too_late_changes_nothing"),
    Mutant(14, "the ledger writes whatever it likes", {"lib": without("    assert(hash == 'settings' or string.match(hash, '^user:%-?%d+$'), 'the ledger keeps no such hash')\n")},
           contract="test_the_ledger_writes_no_hash_of_others", args=("chat:1",)),
    Mutant(14, "what is set is not rebuilt", {"rebuild": without("write_kept(writes)\n")}, contract="test_what_is_set_is_rebuilt_with_the_counters"),
    Mutant(14, "the cost of an answer is not added up", {"commit": without("if (tonumber(cost) or 0) ~= 0 then call('HINCRBY', job_key(job), 'cost', cost) end\n")},
           contract="test_a_job_knows_what_its_calls_have_cost"),
    Mutant(23, "a retry edits the old picture", {"retry": instead(("was.kind == 'image' and", "false and"))}, contract="test_a_picture_that_is_drawn_anew_leaves_the_old_one"),
    Mutant(23, "what is not delivered makes room", {"blob": instead(("now() + DAY * 1000, 'LIMIT'", "'+inf', 'LIMIT'"))}, contract="test_what_is_not_delivered_makes_no_room"),
    Mutant(23, "delivered pictures make no room", {"lib": without("    call('ZADD', BLOBS, 'XX', now() + DAY * 1000, blob .. ' ' .. (bytes or ''))\n")},
           contract="test_a_delivered_one_stays_a_day_and_makes_room"),
    Mutant(23, "a piece asked for again counts twice", {"blob": without("if call('ZSCORE', BLOBS, after) then return 'ok' end              -- asked again for a lost reply\n")},
           contract="test_a_blob_grows_piece_by_piece"),
    Mutant(23, "blobs stay for ever", {"blob": without("call('EXPIRE', key, BLOB_DAYS * DAY)\n")}, contract="test_a_blob_grows_piece_by_piece"),
]


def by_simulation(mutant, server):
    """None: it was not noticed; else how."""
    texts = script_texts(mutant.change)
    for seed in range(1, mutant.settings.get("seeds", SEEDS) + 1):
        simulation = Simulation(seed, server, texts, mutant.bent, mutant.faults, unordered=mutant.settings.get("unordered", False))
        try:
            alarms = simulation.play()
        except RedisError as error:
            alarms = [f"a script failed: {error}"]
            simulation.redis.close()
        if mutant.repairs and simulation.stats["audit repairs"]:
            alarms.append(f"the auditor had to repair {simulation.stats['audit repairs']} times")
        if alarms:
            return f"seed {seed}: {alarms[0]}"
    return None


def by_contract(mutant, server):
    bench = Bench(server, script_texts(mutant.change))
    try:
        of = next(module for module in (test_contract, test_pictures, test_access) if hasattr(module, mutant.contract))
        getattr(of, mutant.contract)(bench, *mutant.settings.get("args", ()))
    except (AssertionError, LookupError, RedisError):
        return mutant.contract
    finally:
        bench.close()
    return None


def main():
    words, server, wrong = sys.argv[1:], Server(), 0
    try:
        for mutant in MUTANTS:
            if words and not any(word in mutant.name for word in words):
                continue
            began = time.monotonic()
            noticed = by_contract(mutant, server) if mutant.contract else by_simulation(mutant, server)
            right = bool(noticed) == bool(mutant.rule)
            wrong += not right
            verdict = ("caught" if mutant.rule else "FAILS") if noticed else ("SURVIVES" if mutant.rule else "passes")
            print(f"{verdict:9} rule {mutant.rule:2}  {mutant.name:62.62} {time.monotonic() - began:5.1f} s  {(noticed or '')[:110]}", flush=True)
    finally:
        server.stop()
    print(f"{wrong} of {len(MUTANTS)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
