#include "outbound/latex.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "services/buf.h"

/* A walk through one formula. Groups are read by recursion, of a bounded depth; a formula that is deeper is shown as code. */
struct formula {
    const char *s;
    size_t len, at;
    struct buf *out;
    int depth;
    bool failed;
};

enum { DEPTH_MAX = 12, PIECE_MAX = 2000, NAME_MAX_LEN = 24 };

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static void fail(struct formula *f) {
    f->failed = true;
    f->at = f->len;
}

static void put(struct formula *f, const char *s, size_t len) {
    if (!buf_add(f->out, s, len))
        fail(f);
}

static void put_str(struct formula *f, const char *s) {
    put(f, s, strlen(s));
}

/* ---- tables ---- */

struct word { const char *name, *text; };

/* How a command's text stands among others. */
enum manner { LIKE_A_LETTER, BETWEEN_BLANKS, LIKE_A_FUNCTION };

/* Sorted within each manner: looked up by bisection. */
static const struct word letters[] = {
    {"Delta", "Δ"}, {"Gamma", "Γ"}, {"Im", "ℑ"}, {"Lambda", "Λ"}, {"Omega", "Ω"}, {"Phi", "Φ"}, {"Pi", "Π"}, {"Psi", "Ψ"},
    {"Re", "ℜ"}, {"Sigma", "Σ"}, {"Theta", "Θ"}, {"Upsilon", "Υ"}, {"Xi", "Ξ"}, {"aleph", "ℵ"}, {"alpha", "α"}, {"angle", "∠"},
    {"backslash", "\\"}, {"beta", "β"}, {"bigcap", "⋂"}, {"bigcup", "⋃"}, {"bot", "⊥"}, {"bullet", "•"}, {"cdots", "⋯"}, {"checkmark", "✓"},
    {"chi", "χ"}, {"colon", ":"}, {"complement", "∁"}, {"dagger", "†"}, {"ddots", "⋱"}, {"degree", "°"}, {"delta", "δ"},
    {"dots", "…"}, {"dotsb", "⋯"}, {"dotsc", "…"}, {"ell", "ℓ"}, {"emptyset", "∅"}, {"epsilon", "ε"}, {"eta", "η"}, {"exists", "∃"},
    {"forall", "∀"}, {"gamma", "γ"}, {"hbar", "ℏ"}, {"iiint", "∭"}, {"iint", "∬"}, {"imath", "ı"}, {"infty", "∞"}, {"int", "∫"},
    {"iota", "ι"}, {"jmath", "ȷ"}, {"kappa", "κ"}, {"lVert", "‖"}, {"lambda", "λ"}, {"langle", "⟨"}, {"lbrace", "{"}, {"lceil", "⌈"},
    {"ldots", "…"}, {"lfloor", "⌊"}, {"lnot", "¬"}, {"lvert", "|"}, {"mho", "℧"}, {"mu", "μ"}, {"nabla", "∇"}, {"neg", "¬"}, {"nexists", "∄"},
    {"nu", "ν"}, {"oint", "∮"}, {"omega", "ω"}, {"partial", "∂"}, {"phi", "φ"}, {"pi", "π"}, {"pounds", "£"}, {"prime", "′"},
    {"prod", "∏"}, {"psi", "ψ"}, {"rVert", "‖"}, {"rangle", "⟩"}, {"rbrace", "}"}, {"rceil", "⌉"}, {"rfloor", "⌋"}, {"rho", "ρ"},
    {"rvert", "|"}, {"sigma", "σ"}, {"square", "□"}, {"sum", "∑"}, {"tau", "τ"}, {"theta", "θ"}, {"top", "⊤"}, {"triangle", "△"}, {"upsilon", "υ"},
    {"varepsilon", "ε"}, {"varnothing", "∅"}, {"varphi", "φ"}, {"varpi", "ϖ"}, {"varrho", "ϱ"}, {"varsigma", "ς"}, {"vartheta", "ϑ"},
    {"vdots", "⋮"}, {"xi", "ξ"}, {"zeta", "ζ"},
};
static const struct word relations[] = {
    {"Leftarrow", "⇐"}, {"Leftrightarrow", "⇔"}, {"Longleftrightarrow", "⟺"}, {"Longrightarrow", "⟹"}, {"Rightarrow", "⇒"}, {"approx", "≈"}, {"ast", "∗"}, {"asymp", "≍"},
    {"cap", "∩"}, {"cdot", "·"}, {"circ", "∘"}, {"cong", "≅"}, {"cup", "∪"}, {"div", "÷"}, {"doteq", "≐"}, {"downarrow", "↓"},
    {"equiv", "≡"}, {"ge", "≥"}, {"geq", "≥"}, {"geqslant", "≥"}, {"gets", "←"}, {"gg", "≫"}, {"gt", ">"}, {"iff", "⇔"}, {"implies", "⇒"}, {"impliedby", "⇐"}, {"in", "∈"},
    {"land", "∧"}, {"le", "≤"}, {"leftarrow", "←"}, {"leftrightarrow", "↔"}, {"leq", "≤"}, {"leqslant", "≤"}, {"ll", "≪"}, {"longrightarrow", "⟶"}, {"lor", "∨"}, {"lt", "<"},
    {"mapsto", "↦"}, {"mid", "|"}, {"models", "⊨"}, {"mp", "∓"}, {"ne", "≠"}, {"neq", "≠"}, {"ni", "∋"}, {"notin", "∉"}, {"odot", "⊙"}, {"oplus", "⊕"}, {"otimes", "⊗"},
    {"parallel", "∥"}, {"perp", "⊥"}, {"pm", "±"}, {"prec", "≺"}, {"propto", "∝"}, {"rightarrow", "→"}, {"rightleftharpoons", "⇌"}, {"setminus", "∖"},
    {"sim", "∼"}, {"simeq", "≃"}, {"star", "⋆"}, {"subset", "⊂"}, {"subseteq", "⊆"}, {"succ", "≻"}, {"supset", "⊃"}, {"supseteq", "⊇"},
    {"therefore", "∴"}, {"times", "×"}, {"to", "→"}, {"uparrow", "↑"}, {"vdash", "⊢"}, {"vee", "∨"}, {"wedge", "∧"}, {"xrightarrow", "→"},
};
static const char *const functions[] = {
    "Pr", "arccos", "arcsin", "arctan", "arg", "argmax", "argmin", "cos", "cosh", "cot", "csc", "deg", "det", "dim", "exp", "gcd", "inf", "ker", "lg", "lim",
    "liminf", "limsup", "ln", "log", "max", "min", "mod", "sec", "sin", "sinh", "sup", "tan", "tanh",
};
/* Commands that only set their argument in another face, or that we can do without. */
static const char *const faces[] = {
    "bm", "boldsymbol", "boxed", "displaystyle", "limits", "mathbf", "mathcal", "mathfrak", "mathit", "mathrm", "mathscr", "mathsf", "mathtt", "nolimits",
    "operatorname", "operatorname*", "scriptstyle", "textstyle",
};
static const char *const texts[] = { "mbox", "mathrm", "operatorname", "text", "textbf", "textit", "textrm", "textsf", "texttt" };

static int compare_word(const void *name, const void *word) {
    return strcmp(name, ((const struct word *)word)->name);
}

static const char *find_word(const struct word *words, size_t count, const char *name) {
    const struct word *found = bsearch(name, words, count, sizeof *words, compare_word);
    if (found)
        return found->text;
    for (size_t i = 0; i < count; i++) /* the order is for speed, not for truth */
        if (!strcmp(words[i].name, name))
            return words[i].text;
    return NULL;
}

static bool is_among(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Small forms: the letter, above the line, below it. */
struct small { const char *plain, *above, *below; };
static const struct small smalls[] = {
    {"0", "⁰", "₀"}, {"1", "¹", "₁"}, {"2", "²", "₂"}, {"3", "³", "₃"}, {"4", "⁴", "₄"}, {"5", "⁵", "₅"}, {"6", "⁶", "₆"}, {"7", "⁷", "₇"},
    {"8", "⁸", "₈"}, {"9", "⁹", "₉"}, {"+", "⁺", "₊"}, {"−", "⁻", "₋"}, {"-", "⁻", "₋"}, {"=", "⁼", "₌"}, {"(", "⁽", "₍"}, {")", "⁾", "₎"}, {" ", "", ""},
    {"a", "ᵃ", "ₐ"}, {"b", "ᵇ", 0}, {"c", "ᶜ", 0}, {"d", "ᵈ", 0}, {"e", "ᵉ", "ₑ"}, {"f", "ᶠ", 0}, {"g", "ᵍ", 0}, {"h", "ʰ", "ₕ"}, {"i", "ⁱ", "ᵢ"},
    {"j", "ʲ", "ⱼ"}, {"k", "ᵏ", "ₖ"}, {"l", "ˡ", "ₗ"}, {"m", "ᵐ", "ₘ"}, {"n", "ⁿ", "ₙ"}, {"o", "ᵒ", "ₒ"}, {"p", "ᵖ", "ₚ"}, {"r", "ʳ", "ᵣ"}, {"s", "ˢ", "ₛ"},
    {"t", "ᵗ", "ₜ"}, {"u", "ᵘ", "ᵤ"}, {"v", "ᵛ", "ᵥ"}, {"w", "ʷ", 0}, {"x", "ˣ", "ₓ"}, {"y", "ʸ", 0}, {"z", "ᶻ", 0}, {"T", "ᵀ", 0}, {"′", "′", 0},
    {"β", "ᵝ", "ᵦ"}, {"γ", "ᵞ", "ᵧ"}, {"θ", "ᶿ", 0}, {"φ", "ᵠ", "ᵩ"}, {"χ", "ᵡ", "ᵪ"}, {"ρ", 0, "ᵨ"}, {"°", "°", 0}, {"∘", "°", 0}, {"∗", "*", 0}, {"*", "*", 0}, {"†", "†", 0},
};

/* ---- pieces: what a group came out as ---- */

/* The piece of out that begins at `from`, copied off. False when it is longer than any we make something of. */
static bool take_piece(struct formula *f, size_t from, char *piece, size_t *ret_len) {
    while (f->out->len > from && f->out->data[f->out->len - 1] == ' ')
        f->out->len--;
    while (from < f->out->len && f->out->data[from] == ' ') {
        memmove(f->out->data + from, f->out->data + from + 1, f->out->len - from - 1);
        f->out->len--;
    }
    *ret_len = f->out->len - from;
    if (*ret_len > PIECE_MAX)
        return false;
    if (*ret_len)
        memcpy(piece, f->out->data + from, *ret_len);
    f->out->len = from;
    return true;
}

static size_t char_bytes(const char *s, size_t len) {
    size_t n = 1;
    while (n < len && ((unsigned char)s[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static size_t chars_of(const char *s, size_t len) {
    size_t chars = 0;
    for (size_t i = 0; i < len; i++)
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    return chars;
}

/* A product: letters, digits and what stands in brackets, with no operator between them. */
static bool is_product(const char *s, size_t len) {
    static const char *const apart[] = { "×", "·", "±", "−", "÷", "∑", "∫", "∏", "≤", "≥", "→" };
    size_t depth = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = char_bytes(s + i, len - i);
        if (s[i] == ')' && !depth)
            return false;
        depth += s[i] == '(';
        depth -= s[i] == ')';
        if (depth || s[i] == ')')
            continue;
        if (n == 1 && !is_letter(s[i]) && !is_digit(s[i]) && !strchr(".!_", s[i]))
            return false;
        for (size_t k = 0; n > 1 && k < COUNT(apart); k++)
            if (n == strlen(apart[k]) && !memcmp(s + i, apart[k], n))
                return false;
    }
    return !depth;
}

static bool is_number(const char *s, size_t len) {
    size_t i = 0;
    while (i < len && (is_digit(s[i]) || s[i] == '.'))
        i++;
    return i == len && len;
}

/* A product that none would take apart: a number, one letter with what hangs on it, dx, one pair of brackets. */
static bool is_unit(const char *s, size_t len) {
    if (is_number(s, len))
        return true;
    if (len > 2 && s[0] == '(' && s[len - 1] == ')' && !memchr(s + 1, '(', len - 2) && !memchr(s + 1, ')', len - 2))
        return true;
    if (!len || !is_product(s, len))
        return false;
    size_t first = char_bytes(s, len);
    size_t allowed = (first == 1 && s[0] == 'd') || (first == 3 && !memcmp(s, "∂", 3)) ? 2 : 1, seen = 0;
    for (size_t i = 0, n; i < len; i += n) {
        n = char_bytes(s + i, len - i);
        seen += n == 1 || (unsigned char)s[i] == 0xCE || (unsigned char)s[i] == 0xCF; /* Latin or Greek */
    }
    return seen <= allowed;
}

static void put_bracketed(struct formula *f, const char *s, size_t len, bool (*stands_alone)(const char *, size_t)) {
    bool alone = stands_alone(s, len);
    if (!alone)
        put_str(f, "(");
    put(f, s, len);
    if (!alone)
        put_str(f, ")");
}

static bool is_bracketed(const char *s, size_t len) {
    return s[0] == '(' && s[len - 1] == ')' && is_unit(s, len);
}

static const char *small_form(const char *s, size_t len, bool above) {
    for (size_t i = 0; i < COUNT(smalls); i++)
        if (strlen(smalls[i].plain) == len && !memcmp(smalls[i].plain, s, len))
            return above ? smalls[i].above : smalls[i].below;
    return NULL;
}

static void put_small(struct formula *f, const char *s, size_t len, bool above) {
    bool all = len > 0;
    for (size_t i = 0, n; i < len && all; i += n) {
        n = char_bytes(s + i, len - i);
        all = small_form(s + i, n, above) != NULL;
    }
    if (!len)
        return;
    if (!all) {
        put_str(f, above ? "^" : "_");
        if (above && chars_of(s, len) > 1 && !is_number(s, len))
            put_bracketed(f, s, len, is_bracketed);
        else
            put_bracketed(f, s, len, is_product);
        return;
    }
    for (size_t i = 0, n; i < len; i += n) {
        n = char_bytes(s + i, len - i);
        put_str(f, small_form(s + i, n, above));
    }
}

/* ---- reading ---- */

static void read_one(struct formula *f);

static void skip_blanks(struct formula *f) {
    while (f->at < f->len && (f->s[f->at] == ' ' || f->s[f->at] == '\n' || f->s[f->at] == '\t'))
        f->at++;
}

/* Up to a closing brace, or `stop` outside of braces, or the end: a formula that is still being written has no other. */
static void read_until(struct formula *f, char stop) {
    if (++f->depth > DEPTH_MAX)
        fail(f);
    while (f->at < f->len && f->s[f->at] != stop && f->s[f->at] != '}')
        read_one(f);
    if (f->at < f->len)
        f->at++;
    f->depth--;
}

static void read_argument(struct formula *f) {
    skip_blanks(f);
    if (f->at < f->len && f->s[f->at] == '{') {
        f->at++;
        read_until(f, '}');
    } else if (f->at < f->len && f->s[f->at] != '}') {
        if (++f->depth > DEPTH_MAX)
            fail(f);
        else if (is_digit(f->s[f->at]))
            put(f, &f->s[f->at++], 1);
        else
            read_one(f);
        f->depth--;
    }
}

static bool read_piece(struct formula *f, char *piece, size_t *ret_len) {
    size_t from = f->out->len;
    read_argument(f);
    if (!f->failed && !take_piece(f, from, piece, ret_len))
        fail(f);
    return !f->failed;
}

static void put_blank(struct formula *f) {
    if (f->out->len && !strchr(" \n([", f->out->data[f->out->len - 1]))
        put_str(f, " ");
}

static void read_fraction(struct formula *f) {
    char piece[PIECE_MAX];
    size_t len;
    if (f->out->len && (is_digit(f->out->data[f->out->len - 1]) || is_letter(f->out->data[f->out->len - 1])))
        put_str(f, " ");         /* 2½ is not 21/2 */
    if (!read_piece(f, piece, &len))
        return;
    put_bracketed(f, piece, len, is_product);
    if (f->at == f->len && !len)
        return;
    put_str(f, "/");
    if (read_piece(f, piece, &len) && len)
        put_bracketed(f, piece, len, is_unit);
}

static void read_root(struct formula *f) {
    char piece[PIECE_MAX];
    size_t len = 0, from = f->out->len;
    const char *sign = "√";
    skip_blanks(f);
    if (f->at < f->len && f->s[f->at] == '[') {
        f->at++;
        read_until(f, ']');
        if (f->failed || !take_piece(f, from, piece, &len)) {
            fail(f);
            return;
        }
        if (len == 1 && (piece[0] == '3' || piece[0] == '4'))
            sign = piece[0] == '3' ? "∛" : "∜";
        else if (!(len == 1 && piece[0] == '2'))
            put_small(f, piece, len, true);
    }
    put_str(f, sign);
    if (!read_piece(f, piece, &len))
        return;
    put_bracketed(f, piece, len, is_unit);
}

static void read_binomial(struct formula *f) {
    char piece[PIECE_MAX];
    size_t len;
    put_str(f, "C(");
    if (!read_piece(f, piece, &len))
        return;
    put(f, piece, len);
    put_str(f, ", ");
    if (!read_piece(f, piece, &len))
        return;
    put(f, piece, len);
    put_str(f, ")");
}

/* A mark over one letter; over more of them there is none that would be readable. */
static bool read_accent(struct formula *f, const char *name) {
    static const struct word accents[] = {
        {"bar", "\u0304"}, {"check", "\u030C"}, {"ddot", "\u0308"}, {"dot", "\u0307"}, {"hat", "\u0302"},
        {"overline", "\u0304"}, {"tilde", "\u0303"}, {"vec", "\u20D7"}, {"widehat", "\u0302"}, {"widetilde", "\u0303"},
    };
    const char *mark = find_word(accents, COUNT(accents), name);
    char piece[PIECE_MAX];
    size_t len;
    if (!mark)
        return false;
    if (!read_piece(f, piece, &len))
        return true;
    if (chars_of(piece, len) > 1 && strcmp(name, "vec") && strcmp(name, "overline"))
        fail(f);
    for (size_t i = 0, n; i < len; i += n) {
        n = char_bytes(piece + i, len - i);
        put(f, piece + i, n);
        if (!strcmp(name, "overline") || i + n == len)
            put_str(f, mark);
    }
    return true;
}

/* What stands in braces is words, not mathematics. */
static void read_text(struct formula *f) {
    skip_blanks(f);
    if (f->at >= f->len || f->s[f->at] != '{') {
        read_argument(f);
        return;
    }
    size_t from = ++f->at, depth = 1;
    for (; f->at < f->len && depth; f->at++) {
        if (f->s[f->at] == '\\' || f->s[f->at] == '$') {
            fail(f);
            return;
        }
        depth += f->s[f->at] == '{';
        depth -= f->s[f->at] == '}';
    }
    if (f->s[from] == ' ' && f->out->len && f->out->data[f->out->len - 1] == ' ')
        f->out->len--;
    put(f, f->s + from, f->at - from - (depth ? 0 : 1));
}

static void read_blackboard(struct formula *f) {
    static const struct word sets[] = {{"C", "ℂ"}, {"E", "𝔼"}, {"N", "ℕ"}, {"P", "ℙ"}, {"Q", "ℚ"}, {"R", "ℝ"}, {"Z", "ℤ"}, {"1", "𝟙"}};
    char piece[PIECE_MAX + 1];
    size_t len;
    if (!read_piece(f, piece, &len))
        return;
    piece[len < PIECE_MAX ? len : PIECE_MAX - 1] = '\0';
    const char *set = find_word(sets, COUNT(sets), piece);
    put_str(f, set ? set : piece);
}

/* \begin{…} and \end{…}: rows of equations are lines; all else has columns, which a line of text has not. */
static void read_environment(struct formula *f) {
    static const char *const rows[] = { "align", "align*", "aligned", "equation", "equation*", "gather", "gather*", "gathered", "split" };
    char name[NAME_MAX_LEN + 1];
    size_t n = 0;
    skip_blanks(f);
    if (f->at < f->len && f->s[f->at] == '{') {
        f->at++;
        while (f->at < f->len && f->s[f->at] != '}' && n < NAME_MAX_LEN)
            name[n++] = f->s[f->at++];
        f->at += f->at < f->len;
    }
    name[n] = '\0';
    if (n && !is_among(rows, COUNT(rows), name))
        fail(f);
    skip_blanks(f);
}

static bool read_delimiter(struct formula *f) {
    skip_blanks(f);
    if (f->at < f->len && f->s[f->at] == '.')
        f->at++;                 /* \left. : an invisible one */
    return true;
}

/* A command by name: true when it is known. */
static bool read_command(struct formula *f, const char *name) {
    const char *text = find_word(letters, COUNT(letters), name);
    if (text) {
        put_str(f, text);
        size_t at = f->at;
        skip_blanks(f);
        if (f->at > at && f->at < f->len && strchr("+-=<>|", f->s[f->at]))
            put_blank(f);
        return true;
    }
    if ((text = find_word(relations, COUNT(relations), name))) {
        put_blank(f);
        put_str(f, text);
        put_str(f, " ");
        skip_blanks(f);
        return true;
    }
    if (is_among(functions, COUNT(functions), name)) {
        if (f->out->len && (is_letter(f->out->data[f->out->len - 1]) || is_digit(f->out->data[f->out->len - 1])))
            put_str(f, " ");
        put_str(f, name);
        skip_blanks(f);
        if (f->at < f->len && (is_letter(f->s[f->at]) || is_digit(f->s[f->at]) || f->s[f->at] == '\\'))
            put_str(f, " ");
        return true;
    }
    if (!strcmp(name, "frac") || !strcmp(name, "dfrac") || !strcmp(name, "tfrac") || !strcmp(name, "cfrac"))
        return read_fraction(f), true;
    if (!strcmp(name, "sqrt"))
        return read_root(f), true;
    if (!strcmp(name, "binom"))
        return read_binomial(f), true;
    if (!strcmp(name, "mathbb"))
        return read_blackboard(f), true;
    if (is_among(texts, COUNT(texts), name))
        return read_text(f), true;
    if (is_among(faces, COUNT(faces), name))
        return skip_blanks(f), true;
    if (!strcmp(name, "begin") || !strcmp(name, "end"))
        return read_environment(f), true;
    if (!strcmp(name, "left") || !strcmp(name, "right") || !strncmp(name, "big", 3) || !strncmp(name, "Big", 3))
        return read_delimiter(f);
    if (!strcmp(name, "quad") || !strcmp(name, "qquad"))
        return put_str(f, "  "), skip_blanks(f), true;
    if (!strcmp(name, "pmod"))
        return put_blank(f), put_str(f, "(mod "), read_argument(f), put_str(f, ")"), true;
    return read_accent(f, name);
}

static void read_backslash(struct formula *f) {
    char name[NAME_MAX_LEN + 1];
    size_t n = 0;
    f->at++;
    if (f->at == f->len)
        return;
    char c = f->s[f->at];
    if (!is_letter(c)) {
        f->at++;
        if (c == '\\') {
            while (f->out->len && f->out->data[f->out->len - 1] == ' ')
                f->out->len--;
            put_str(f, "\n");
            skip_blanks(f);
        } else if (strchr(",;: \n", c)) {
            put_blank(f);
        } else if (strchr("{}%$#&_", c)) {
            put(f, &c, 1);
        } else if (c == '|') {
            put_str(f, "‖");
        } else if (c != '!') {
            fail(f);
        }
        return;
    }
    while (f->at < f->len && is_letter(f->s[f->at]) && n < NAME_MAX_LEN)
        name[n++] = f->s[f->at++];
    name[n] = '\0';
    if (!read_command(f, name))
        fail(f);
}

static void read_small(struct formula *f, bool above) {
    char piece[PIECE_MAX];
    size_t len;
    f->at++;
    if (read_piece(f, piece, &len))
        put_small(f, piece, len, above);
}

static void read_one(struct formula *f) {
    char c = f->s[f->at];
    switch (c) {
    case '\\':
        read_backslash(f);
        return;
    case '{':
        f->at++;
        read_until(f, '}');
        return;
    case '^':
    case '_':
        read_small(f, c == '^');
        return;
    case '&':
        f->at++;
        return;
    case '\'':
        f->at++;
        put_str(f, "′");
        return;
    case '-':
        f->at++;
        put_str(f, "−");
        return;
    case '~':
    case ' ':
    case '\n':
    case '\t':
        f->at++;
        put_blank(f);
        return;
    case '%':
        fail(f);
        return;
    default: {
        if ((c == ')' || c == ']') && f->out->len && f->out->data[f->out->len - 1] == ' ')
            f->out->len--;
        size_t n = char_bytes(f->s + f->at, f->len - f->at);
        put(f, f->s + f->at, n);
        f->at += n;
    }
    }
}

/* A last command that may be half of one, or has nothing to stand at yet. */
static size_t without_half_command(const char *s, size_t len) {
    size_t end = len;
    while (end && is_letter(s[end - 1]))
        end--;
    if (end && s[end - 1] == '\\')
        return end - 1;
    return len && (s[len - 1] == '\\' || s[len - 1] == '^' || s[len - 1] == '_') ? len - 1 : len;
}

bool latex_to_text(const char *formula, size_t len, bool open, struct buf *out) {
    size_t from = out->len;
    struct formula f = {.s = formula, .len = open ? without_half_command(formula, len) : len, .out = out};
    skip_blanks(&f);
    while (f.at < f.len) {
        if (f.s[f.at] == '}')    /* closes nothing */
            fail(&f);
        else
            read_one(&f);
    }
    if (f.failed) {
        out->len = from;
        if (out->data)
            out->data[from] = '\0';
        return false;
    }
    while (out->len > from && (out->data[out->len - 1] == ' ' || out->data[out->len - 1] == '\n'))
        out->len--;
    if (out->data)
        out->data[out->len] = '\0';
    return true;
}
