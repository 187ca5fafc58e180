/* One chat of the load: when it was due, and what its answer said, read line by line. */
#ifndef CHAT_H
#define CHAT_H

#include "net.h"

#include <stdbool.h>
#include <stdint.h>

#define GAP_MS 0.1 /* how fine gaps are told apart */
#define GAPS 20000 /* and so many of them; longer ones count as the last */

typedef struct {
    double scheduled, sent, first_text, last_text, ended;
    long events, characters;
    uint64_t text_hash;
    char error[40];
    bool sampled, done;
} Chat;

/* How often there was which gap between two texts of an answer. */
static long gaps[GAPS];

/* The whole text of the sampled answers: how many characters, and a hash that tells texts apart. */

static inline void text_byte(Chat *chat, unsigned byte) {
    chat->text_hash = (chat->text_hash ^ byte) * 1099511628211u;
    chat->characters += (byte & 0xC0) != 0x80;
}

static inline void text_character(Chat *chat, unsigned code) {
    if (code < 0x80) {
        text_byte(chat, code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    text_byte(chat, (0xFF00u >> (more + 1) & 0xFF) | code >> 6 * more);
    while (more--) text_byte(chat, 0x80 | (code >> 6 * more & 0x3F));
}

static inline unsigned escaped(const char **at) {
    unsigned code = 0, low = 0;
    if (**at != 'u') {
        const char *found = strchr("n\nt\tr\rb\bf\f", **at);
        return found == NULL || !**at ? (unsigned char)**at : (unsigned char)found[1];
    }
    sscanf(*at + 1, "%4x", &code);
    *at += 4;
    if (code >> 10 == 0x36 && sscanf(*at + 1, "\\u%4x", &low) == 1) {
        *at += 6;
        code = 0x10000 + ((code & 0x3FF) << 10 | (low & 0x3FF));
    }
    return code;
}

static inline void read_text(Chat *chat, const char *at, const char *end) {
    for (; at < end && *at != '"'; at++) {
        if (*at == '\\' && at++) text_character(chat, escaped(&at));
        else text_byte(chat, (unsigned char)*at);
    }
}

static inline void read_line(Chat *chat, const char *line, size_t length, double now) {
    if (length < 14 && length >= 12 && memcmp(line, "data: [DONE]", 12) == 0) chat->done = true;
    if (length < 14 || memcmp(line, "data: {", 7) != 0) return;
    chat->events++;
    if (memcmp(line + 7, "\"error\"", 7) == 0) strcpy(chat->error, "error in the stream");
    const char *end = line + length, *text = memmem(line, length, "\"content\":", 10);
    if (text == NULL) return;
    for (text += 10; text < end && *text == ' ';) text++;
    if (end - text < 2 || text[0] != '"' || text[1] == '"') return;
    if (chat->sampled) read_text(chat, text + 1, end);
    if (chat->first_text == 0) {
        chat->first_text = now;
    } else if (now > chat->last_text) {
        long gap = (long)((now - chat->last_text) * 1000 / GAP_MS);
        gaps[gap < GAPS ? gap : GAPS - 1]++;
    }
    chat->last_text = now;
}

/* What became of it, in milliseconds from when it was due, as one line. */
static inline void tell_chat(const Chat *chat) {
    double late = (chat->sent - chat->scheduled) * 1000, first = (chat->first_text - chat->scheduled) * 1000;
    double total = (chat->ended - chat->scheduled) * 1000;
    if (chat->error[0]) printf("error %.3f %s\n", late, chat->error);
    else printf("chat %.3f %.3f %.3f %ld ", late, first, total, chat->events);
    if (!chat->error[0] && chat->sampled) printf("%ld %llx\n", chat->characters, (unsigned long long)chat->text_hash);
    else if (!chat->error[0]) printf("- -\n");
}

static inline void tell_gaps(void) {
    for (long i = 0; i < GAPS; i++)
        if (gaps[i]) printf("gap %.1f %ld\n", (double)i * GAP_MS, gaps[i]);
}

#endif
