#include "outbound/references.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

const char *reference_text(const char *s, size_t len, char *number) {
    static const struct { const char *name, *text; } names[] = {
        {"amp", "&"}, {"lt", "<"}, {"gt", ">"}, {"quot", "\""}, {"apos", "'"}, {"nbsp", "\u00A0"}, {"copy", "©"}, {"reg", "®"}, {"trade", "™"},
        {"hellip", "…"}, {"mdash", "—"}, {"ndash", "–"}, {"laquo", "«"}, {"raquo", "»"}, {"ldquo", "“"}, {"rdquo", "”"}, {"lsquo", "‘"}, {"rsquo", "’"},
        {"bull", "•"}, {"middot", "·"}, {"times", "×"}, {"divide", "÷"}, {"deg", "°"}, {"plusmn", "±"}, {"frac12", "½"}, {"frac14", "¼"}, {"frac34", "¾"},
        {"euro", "€"}, {"pound", "£"}, {"yen", "¥"}, {"cent", "¢"}, {"sect", "§"}, {"para", "¶"}, {"larr", "←"}, {"rarr", "→"}, {"uarr", "↑"}, {"darr", "↓"},
        {"harr", "↔"}, {"rArr", "⇒"}, {"hArr", "⇔"}, {"le", "≤"}, {"ge", "≥"}, {"ne", "≠"}, {"asymp", "≈"}, {"infin", "∞"}, {"sum", "∑"}, {"radic", "√"}, {"micro", "µ"},
        {"alpha", "α"}, {"beta", "β"}, {"gamma", "γ"}, {"delta", "δ"}, {"lambda", "λ"}, {"mu", "μ"}, {"pi", "π"}, {"sigma", "σ"}, {"omega", "ω"}, {"Delta", "Δ"}, {"Omega", "Ω"},
        {"check", "✓"}, {"star", "☆"}, {"hearts", "♥"}, {"ensp", " "}, {"emsp", " "}, {"thinsp", " "}, {"shy", ""}, {"zwj", "\u200D"}, {"zwnj", "\u200C"},
        {"auml", "ä"}, {"ouml", "ö"}, {"uuml", "ü"}, {"Auml", "Ä"}, {"Ouml", "Ö"}, {"Uuml", "Ü"}, {"szlig", "ß"}, {"eacute", "é"}, {"egrave", "è"}, {"agrave", "à"}, {"ccedil", "ç"}, {"ntilde", "ñ"},
        {"lbrace", "{"}, {"rbrace", "}"}, {"lbrack", "["}, {"rbrack", "]"}, {"lpar", "("}, {"rpar", ")"}, {"vert", "|"}, {"ast", "*"}, {"grave", "`"}, {"dollar", "$"}, {"num", "#"},
        {"lowbar", "_"}, {"percnt", "%"}, {"excl", "!"}, {"colon", ":"}, {"semi", ";"}, {"comma", ","}, {"period", "."}, {"sol", "/"}, {"bsol", "\\"}, {"plus", "+"}, {"equals", "="}, {"commat", "@"},
    };
    if (len < 3 || len > 16)
        return NULL;
    if (s[1] == '#') {
        bool hex = s[2] == 'x' || s[2] == 'X';
        unsigned long c = strtoul(s + 2 + hex, NULL, hex ? 16 : 10); /* ends at the semicolon at the latest */
        if ((c < 0x20 && c != '\t') || c == 0x7F || (c >= 0x80 && c < 0xA0) || (c >= 0xFDD0 && c <= 0xFDEF) || (c >= 0x2028 && c <= 0x202E) || c > 0x10FFFF)
            return "\uFFFD";
        if (c == 0x30A || c == 0x333 || c == 0x33F)
            return "";
        int n = u8_uctomb((uint8_t *)number, (ucs4_t)c, 4);
        return n > 0 ? (number[n] = '\0', number) : "\uFFFD";
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == len - 2 && !memcmp(names[i].name, s + 1, len - 2))
            return names[i].text;
    return NULL;
}
