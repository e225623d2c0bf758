#include "ledger/chart.h"

#include <cairo.h>
#include <errno.h>
#include <fontconfig/fontconfig.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/money.h"

enum { WIDTH = 1080, HEIGHT = 960, LEFT = 56, RIGHT = 1024, TICKS_MOST = 5 };
#define TOP 372.0                                  /* of the bars */
#define BOTTOM 852.0
#define FONT "DejaVu Sans"

struct colour { double red, green, blue; };
static const struct colour paper = { 1, 1, 1 }, ink = { 0.10, 0.12, 0.17 }, grey = { 0.45, 0.48, 0.55 }, line = { 0.90, 0.91, 0.94 };
static const struct colour colours[CHART_KINDS] = {
    { 0.22, 0.45, 0.93 }, { 0.97, 0.64, 0.17 }, { 0.12, 0.68, 0.53 }, { 0.62, 0.43, 0.84 },
};

struct drawing { cairo_t *cr; const struct chart *chart; double bars_left, step; int64_t top_nusd; };

/* ---- amounts ---- */

static int64_t above_zero(int64_t nusd) {
    return nusd > 0 ? nusd : 0;
}

static int64_t sum_of_day(const struct chart *c, int day) {
    int64_t sum = 0;
    for (int k = 0; k < CHART_KINDS; k++)
        sum += above_zero(c->nusd[day][k]);
    return sum;
}

static int64_t sum_of_kind(const struct chart *c, int kind) {
    int64_t sum = 0;
    for (int d = 0; d < CHART_DAYS; d++)
        sum += above_zero(c->nusd[d][kind]);
    return sum;
}

static int64_t largest_day(const struct chart *c) {
    int64_t most = 0;
    for (int d = 0; d < CHART_DAYS; d++)
        most = sum_of_day(c, d) > most ? sum_of_day(c, d) : most;
    return most;
}

/* 1, 2 or 5 times a power of ten, so that the lines are few and their labels short. */
static int64_t nice_step(int64_t most) {
    static const int64_t steps[] = { 1, 2, 5 };
    for (int64_t ten = NUSD_PER_USD / 1000000;; ten *= 10)
        for (int i = 0; i < 3; i++)
            if (steps[i] * ten * (TICKS_MOST - 1) >= most)
                return steps[i] * ten;
}

/* ---- the pen ---- */

static void use(cairo_t *cr, const struct colour *c) {
    cairo_set_source_rgb(cr, c->red, c->green, c->blue);
}

static void font(cairo_t *cr, double size, bool bold) {
    cairo_select_font_face(cr, FONT, CAIRO_FONT_SLANT_NORMAL, bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, size);
}

static double width_of(cairo_t *cr, const char *text) {
    cairo_text_extents_t e;
    cairo_text_extents(cr, text, &e);
    return e.x_advance;
}

/* align: 0 begins at x, 0.5 is centred there, 1 ends there. */
static void write_at(cairo_t *cr, double x, double y, double align, const char *text) {
    cairo_move_to(cr, x - align * width_of(cr, text), y);
    cairo_show_text(cr, text);
}

static void box(cairo_t *cr, double x, double y, double width, double height, double radius) {
    double r = radius < height ? radius : height;
    cairo_new_sub_path(cr);
    cairo_arc(cr, x + width - r, y + r, r, -M_PI / 2, 0);
    cairo_line_to(cr, x + width, y + height);
    cairo_line_to(cr, x, y + height);
    cairo_arc(cr, x + r, y + r, r, M_PI, 3 * M_PI / 2);
    cairo_close_path(cr);
}

/* ---- the parts of the picture ---- */

static void draw_head(struct drawing *d) {
    int64_t all = 0;
    char sum[48];
    for (int k = 0; k < CHART_KINDS; k++)
        all += sum_of_kind(d->chart, k);
    use(d->cr, &grey);
    font(d->cr, 38, false);
    write_at(d->cr, LEFT, 88, 0, d->chart->title);
    use(d->cr, &ink);
    font(d->cr, 84, true);
    write_at(d->cr, LEFT, 186, 0, money_print_usd(sum, all));
}

/* What each colour means and comes to: two in a row. */
static void draw_legend(struct drawing *d) {
    int shown = 0;
    for (int k = 0; k < CHART_KINDS; k++) {
        int64_t nusd = sum_of_kind(d->chart, k);
        if (!nusd)
            continue;
        double x = LEFT + (shown % 2) * (RIGHT - LEFT + 24) / 2.0, y = 254 + (shown / 2) * 54;
        char sum[48];
        use(d->cr, &colours[k]);
        cairo_arc(d->cr, x + 13, y - 11, 13, 0, 2 * M_PI);
        cairo_fill(d->cr);
        use(d->cr, &grey);
        font(d->cr, 29, false);
        write_at(d->cr, x + 42, y, 0, d->chart->kinds[k]);
        double behind = x + 54 + width_of(d->cr, d->chart->kinds[k]);
        use(d->cr, &ink);
        font(d->cr, 29, true);
        write_at(d->cr, behind, y, 0, money_print_usd(sum, nusd));
        shown++;
    }
}

static double height_of(const struct drawing *d, int64_t nusd) {
    return (double)nusd / (double)d->top_nusd * (BOTTOM - TOP);
}

/* A label with no more places than the step between the lines has. */
static void label(char out[48], int64_t nusd, int64_t step) {
    int places = 0;
    for (int64_t unit = NUSD_PER_USD; step % unit && places < 9; unit /= 10)
        places++;
    char plain[MONEY_TEXT];
    money_print_rounded(plain, nusd, !nusd ? 0 : places == 1 ? 2 : places);
    snprintf(out, 48, "$%.40s", plain);
}

static void draw_lines(struct drawing *d) {
    int64_t most = largest_day(d->chart), step = nice_step(most);
    char text[48];
    d->top_nusd = step * ((most + step - 1) / step);
    font(d->cr, 28, false);
    double widest = 0;
    for (int64_t at = 0; at <= d->top_nusd; at += step) {
        label(text, at, step);
        widest = width_of(d->cr, text) > widest ? width_of(d->cr, text) : widest;
    }
    d->bars_left = LEFT + widest + 22;
    for (int64_t at = 0; at <= d->top_nusd; at += step) {
        double y = BOTTOM - height_of(d, at);
        label(text, at, step);
        use(d->cr, &grey);
        write_at(d->cr, LEFT + widest, y + 10, 1, text);
        use(d->cr, &line);
        cairo_set_line_width(d->cr, at ? 2 : 3);
        cairo_move_to(d->cr, d->bars_left, y);
        cairo_line_to(d->cr, RIGHT, y);
        cairo_stroke(d->cr);
    }
}

static void draw_bar(struct drawing *d, int day) {
    double width = d->step * 0.7, x = d->bars_left + day * d->step + (d->step - width) / 2, bottom = BOTTOM;
    double all = height_of(d, sum_of_day(d->chart, day));
    if (all <= 0)
        return;
    all = all < 4 ? 4 : all;                       /* little is not nothing */
    cairo_save(d->cr);
    box(d->cr, x, BOTTOM - all, width, all, 6);
    cairo_clip(d->cr);
    for (int k = 0; k < CHART_KINDS; k++) {
        double part = all * (double)above_zero(d->chart->nusd[day][k]) / (double)sum_of_day(d->chart, day);
        use(d->cr, &colours[k]);
        cairo_rectangle(d->cr, x, bottom - part, width, part);
        cairo_fill(d->cr);
        bottom -= part;
    }
    cairo_restore(d->cr);
}

/* From today backwards, as many as find room. */
static void draw_days(struct drawing *d) {
    enum { EVERY = 7 };
    for (int day = CHART_DAYS - 1; day >= 0; day -= EVERY) {
        bool today = day == CHART_DAYS - 1;
        double x = d->bars_left + (day + 0.5) * d->step;
        font(d->cr, 28, today);
        use(d->cr, today ? &ink : &grey);
        double half = width_of(d->cr, d->chart->days[day]) / 2;
        x = x + half > RIGHT ? RIGHT - half : x;
        write_at(d->cr, x, BOTTOM + 52, 0.5, d->chart->days[day]);
    }
}

static void draw(struct drawing *d) {
    use(d->cr, &paper);
    cairo_paint(d->cr);
    draw_head(d);
    if (!largest_day(d->chart)) {
        use(d->cr, &grey);
        font(d->cr, 40, false);
        write_at(d->cr, WIDTH / 2.0, (TOP + BOTTOM) / 2, 0.5, d->chart->empty);
        return;
    }
    draw_legend(d);
    draw_lines(d);
    d->step = (RIGHT - d->bars_left) / CHART_DAYS;
    for (int day = 0; day < CHART_DAYS; day++)
        draw_bar(d, day);
    draw_days(d);
}

static cairo_status_t write_out(void *owner, const unsigned char *data, unsigned len) {
    return spool_add(owner, (const char *)data, len) ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

int chart_draw(const struct chart *c, struct spool *out) {
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, HEIGHT);
    struct drawing d = { .cr = cairo_create(surface), .chart = c };
    draw(&d);
    cairo_status_t status = cairo_status(d.cr);    /* remembers the first thing that went wrong */
    cairo_destroy(d.cr);
    if (!status)
        status = cairo_surface_write_to_png_stream(surface, write_out, out);
    cairo_surface_destroy(surface);
    return status ? status == CAIRO_STATUS_NO_MEMORY ? -ENOMEM : -EIO : 0;
}

void chart_done(void) {
    cairo_debug_reset_static_data();
    FcFini();
}
