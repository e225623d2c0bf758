/* ffmpeg, where it is installed, makes Ogg Opus of what OpenAI does not take. It sees a stranger's bytes: it gets those on its
 * standard input, no network, no other file, nothing of our environment, a minute, and no more room than the result may need. */
#include "media/task.h"
#include "services/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CONVERT_MS = 60 * SECOND,
    AT_ONCE = 4,                         /* each takes a processor */
    COMPLAINTS_MAX = 2048
};

char *convert_find(void) {
    const char *path = getenv("PATH");
    for (const char *from = path ? path : "/usr/bin:/bin"; *from;) {
        size_t len = strcspn(from, ":");
        char *file;
        if (asprintf(&file, "%.*s/ffmpeg", (int)len, from) < 0)
            abort();
        if (len && access(file, X_OK) == 0)
            return file;
        free(file);
        from += len + (from[len] == ':');
    }
    return NULL;
}

static void on_closed(uv_handle_t *handle) {
    free(handle);
}

static void on_exit_of_it(uv_process_t *process, int64_t code, int signal_number) {
    struct task *t = process->data;
    t->process = NULL;
    t->media->converting--;
    t->exit_code = signal_number ? 128 + signal_number : (int)code;
    uv_close((uv_handle_t *)process, on_closed);
    steps_wake(&t->steps);
}

void convert_kill(struct task *t) {
    if (t->process)
        (void)uv_process_kill(t->process, SIGKILL);     /* gone already: its exit is on its way */
}

/* Named, not guessed: some of the formats that ffmpeg knows are lists of other files to be read. */
static const char *demuxer(const char *ext) {
    static const char *const others[][2] = {{"wma", "asf"}, {"3gp", "mov"}, {"mp4", "mov"}, {"m4a", "mov"}, {"mkv", "matroska"}, {"webm", "matroska"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(others[i][0], ext))
            return others[i][1];
    return ext;                          /* avi flv amr aac aiff caf mov mpeg ogg mp3 wav flac */
}

static int start(struct task *t) {
    char *arguments[] = {"ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-protocol_whitelist", "file,pipe", "-threads", "1",
        "-f", (char *)demuxer(t->what.ext), "-i", "/dev/fd/0", "-map_metadata", "0", "-vn", "-sn", "-dn", "-ac", "1", "-ar", "16000", "-c:a", "libopus", "-b:a", "24k",
        "-fs", "25000000", "-f", "ogg", "pipe:1", NULL};
    char *environment[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", NULL};
    uv_stdio_container_t files[3] = {
        {.flags = UV_INHERIT_FD, .data.fd = t->spool.fd},
        {.flags = UV_INHERIT_FD, .data.fd = t->converted.fd},
        {.flags = UV_INHERIT_FD, .data.fd = t->complaints.fd},
    };
    uv_process_options_t options = {
        .file = t->media->ffmpeg, .args = arguments, .env = environment, .exit_cb = on_exit_of_it, .stdio = files, .stdio_count = 3,
    };
    uv_process_t *process = calloc(1, sizeof *process);
    if (!process)
        abort();
    process->data = t;
    int error = uv_spawn(t->media->svc->loop, process, &options);
    if (error) {
        uv_close((uv_handle_t *)process, on_closed);
        return error;
    }
    t->process = process;
    t->media->converting++;
    return 0;
}

enum step_end step_convert(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;
    if (!t->media->ffmpeg)
        return t->what.convert ? task_refuse(t, "no_ffmpeg", NULL, "ffmpeg is not installed")
                               : task_refuse_size(t, HEARD_MOST_MB, "too large to be heard, and ffmpeg is not installed");
    if (t->media->converting >= AT_ONCE)
        return task_nap(t, "convert", 200);
    spool_close(&t->converted);
    spool_close(&t->complaints);
    int error = spool_open(&t->converted);
    if (!error)
        error = spool_open(&t->complaints);
    if (!error)
        error = start(t);
    if (error) {
        note(t, LOG_WARN, "convert: %s", strerror(-error));
        return task_refuse(t, "no_ffmpeg", NULL, "ffmpeg cannot be started");
    }
    t->was_killed = false;
    return steps_sleep(s, "judge_convert", CONVERT_MS);
}

/* What it complained about decides between silence and damage. */
static bool found_no_sound(const struct task *t) {
    char text[COMPLAINTS_MAX];
    ssize_t len = pread(t->complaints.fd, text, sizeof text, 0);
    return len > 0 && memmem(text, (size_t)len, "does not contain any stream", 27);
}

enum step_end step_judge_convert(struct steps *s) {
    struct task *t = task_of(s);
    enum step_end end = task_interrupted(t);
    if (end != STEP_NEXT)
        return end;                      /* let_go, or stop, sees to its end */
    if (t->process && !t->was_killed) {
        t->was_killed = true;
        convert_kill(t);
    }
    if (t->process)
        return task_wait_again(t);
    int error = spool_measure(&t->converted);
    if (t->was_killed || t->exit_code || error || !t->converted.len) {
        note(t, LOG_INFO, "judge_convert: %s, exit code %d", t->was_killed ? "it took too long" : "it did not work", t->exit_code);
        return task_refuse(t, found_no_sound(t) ? "video_silent" : "file_broken", NULL, "it cannot be converted");
    }
    note(t, LOG_INFO, "judge_convert: %" PRId64 " bytes of %s became %" PRId64, t->spool.len, t->what.ext, t->converted.len);
    spool_close(&t->spool);
    spool_close(&t->complaints);
    t->spool = t->converted;
    t->converted = SPOOL_CLOSED;
    struct source source = {.size = t->spool.len, .fd = t->spool.fd};
    t->what = sniff_ogg(&source);        /* for its length; it is small */
    return steps_goto(s, "begin");
}
