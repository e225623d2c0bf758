#include "ledger/export.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/money.h"
#include "services/clock.h"

enum { LINE_MOST = 8192, PAGE = 65536 };
#define HEAD "\xEF\xBB\xBFtime,user_id,name,chat_id,kind,model,input_tokens,cached_tokens,output_tokens,seconds,images,tools,usd,estimated,status,event_id\r\n"

struct table {
    struct spool *out;
    struct buf page;
    int64_t rows, bytes;
    bool cut;
    int error;
};

static void flush(struct table *t) {
    int r = t->page.len ? spool_add(t->out, t->page.data, t->page.len) : 0;
    t->error = t->error ? t->error : r;
    buf_clear(&t->page);
}

static void put(struct table *t, const char *text, size_t len) {
    if (t->page.len + len > PAGE)
        flush(t);
    (void)buf_add(&t->page, text, len);            /* a line is shorter than a page */
    t->bytes += (int64_t)len;
}

bool export_cell(struct buf *line, const char *text) {
    bool fits = buf_add_str(line, "\"");
    if (*text && strchr("=+-@\t\r\n|", *text))
        fits = fits && buf_add_str(line, "'");
    for (; *text; text++)
        fits = fits && buf_add(line, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    return fits && buf_add_str(line, "\",");
}

static bool put_line(struct buf *line, const struct paid *p) {
    char time[32], usd[MONEY_TEXT];
    struct tm local = { 0 };
    (void)clock_local(p->at_ms / SECOND, &local);
    (void)strftime(time, sizeof time, "%Y-%m-%d %H:%M:%S", &local);
    return buf_printf(line, "%s,%" PRId64 ",", time, p->user) && export_cell(line, p->name) && buf_printf(line, "%" PRId64 ",", p->chat) &&
           export_cell(line, p->kind) && export_cell(line, p->model) &&
           buf_printf(line, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%.3f,%" PRId64 ",", p->input_tokens, p->cached_tokens, p->output_tokens, p->seconds,
                      p->images) &&
           export_cell(line, p->tools) && buf_printf(line, "%s,%d,", money_print(usd, p->nusd), p->estimated) && export_cell(line, p->status) &&
           export_cell(line, p->event);
}

static bool on_paid(const struct paid *p, void *owner) {
    struct table *t = owner;
    struct buf line;
    buf_init(&line, LINE_MOST);
    bool fits = put_line(&line, p);                /* names are bounded where they are stored */
    if (fits)
        line.data[line.len - 1] = '\r';            /* where the last comma was */
    fits = fits && buf_add_str(&line, "\n");
    t->cut = t->cut || t->bytes + (int64_t)line.len > EXPORT_BYTES_MOST;
    if (fits && !t->cut) {
        put(t, line.data, line.len);
        t->rows++;
    }
    buf_done(&line);
    return !t->cut && !t->error;
}

int export_month(struct sums *s, int64_t from_ms, int64_t to_ms, struct spool *out, int64_t *ret_rows, bool *ret_cut, char problem[STORE_PROBLEM]) {
    struct table t = { .out = out };
    buf_init(&t.page, PAGE);
    put(&t, HEAD, strlen(HEAD));
    int r = sums_paid(s, from_ms, to_ms, on_paid, &t, problem);
    flush(&t);
    buf_done(&t.page);
    if (!r && t.error) {
        snprintf(problem, STORE_PROBLEM, "the table cannot be written: %s", strerror(-t.error));
        r = t.error;
    }
    *ret_rows = t.rows;
    *ret_cut = t.cut;
    return r;
}
