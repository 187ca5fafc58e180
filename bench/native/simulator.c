/* A model provider that is not there, for measurements: streamed chat completions with chosen timings.
 *
 * It does what bench/simulator.py does for the questions that a measurement asks, at a fraction of its cost: one thread,
 * one write a delta, and nothing is looked at but what the answer depends on. `GET /v1/models` and `GET /sim/stats` are
 * there as well. It listens on 127.0.0.1 alone, prints its base URL, and ends with its standard input.
 *
 *     simulator [PORT]
 */
#include "net.h"

#include <math.h>
#include <stdbool.h>

#define SECOND_HALF_MS 0.0005 /* epoll sleeps whole milliseconds: what is due so soon goes now */
#define READ_BYTES 65536
#define EVENTS 512

typedef struct {
    int fd, at_heap; /* at_heap: where it stands in the heap, -1 when nothing is due */
    bool writable_wanted, usage;
    int deltas, sent, prompt_tokens;
    double first_due, interval_s, due;
    char prefix[320]; /* what every event of this answer begins with */
    Bytes in, out;
} Connection;

static const char *PASSAGE =
    "七夕的夜里喜鹊搭起一座桥让隔着银河的两个人见面清晨的河边有人打水有人洗菜孩子们沿着石板路去上学老茶馆里坐满了"
    "听书的客人春天播种秋天收获山里的果树开了又落海上的船出去又回来一封信走了三个月才到家里读信的人把每个字看了两遍";

static int poll_fd;
static long started, finished, cancelled;
static Connection **heap;
static int heap_length, heap_room;

/* The heap of streams by when their next delta is due. */

static void put(int place, Connection *connection) {
    heap[place] = connection;
    connection->at_heap = place;
}

static void settle(int place, Connection *connection) {
    for (int parent; place > 0 && heap[parent = (place - 1) / 2]->due > connection->due; place = parent)
        put(place, heap[parent]);
    for (int child; (child = 2 * place + 1) < heap_length; place = child) {
        if (child + 1 < heap_length && heap[child + 1]->due < heap[child]->due) child++;
        if (heap[child]->due >= connection->due) break;
        put(place, heap[child]);
    }
    put(place, connection);
}

static void schedule(Connection *connection, double due) {
    connection->due = due;
    if (connection->at_heap < 0) {
        if (heap_length == heap_room) heap = grown(heap, sizeof *heap * (size_t)(heap_room = 2 * heap_room + 64));
        put(heap_length, connection);
        heap_length++;
    }
    settle(connection->at_heap, connection);
}

static void unschedule(Connection *connection) {
    int place = connection->at_heap;
    if (place < 0) return;
    connection->at_heap = -1;
    Connection *last = heap[--heap_length];
    if (last != connection) settle(place, last);
}

/* Connections. */

static void drop(Connection *connection) {
    if (connection->at_heap >= 0) cancelled++;
    unschedule(connection);
    close(connection->fd);
    free(connection->in.at);
    free(connection->out.at);
    free(connection);
}

/* Send what waits; false when the client has left, and the connection with it. */
static bool deliver(Connection *connection) {
    int all = connection->out.length ? flushed(connection->fd, &connection->out) : 1;
    if (all < 0) {
        drop(connection);
        return false;
    }
    if (connection->writable_wanted == (all == 0)) return true;
    connection->writable_wanted = all == 0;
    watch(poll_fd, connection->fd, EPOLLIN | (all ? 0 : EPOLLOUT), connection, EPOLL_CTL_MOD);
    return true;
}

/* The n-th delta, 4 to 8 Chinese characters: the same ones in each answer. */
static int delta(int number, char *text) {
    size_t length = strlen(PASSAGE) / 3, begin = (size_t)number * 7 % length;
    int characters = 4 + number * 5 % 7 % 5;
    for (int i = 0; i < characters; i++) memcpy(text + 3 * i, PASSAGE + 3 * ((begin + (size_t)i) % length), 3);
    text[3 * characters] = 0;
    return characters;
}

static void event(Connection *connection, const char *prefix, const char *middle, const char *end) {
    char size[16];
    int length = (int)(strlen(prefix) + strlen(middle) + strlen(end));
    append(&connection->out, size, (size_t)snprintf(size, sizeof size, "%x\r\n", length));
    append_text(&connection->out, prefix);
    append_text(&connection->out, middle);
    append_text(&connection->out, end);
    append(&connection->out, "\r\n", 2);
}

static void choice(Connection *connection, const char *fields, const char *reason) {
    char middle[256], end[96];
    snprintf(middle, sizeof middle, "\"choices\":[{\"index\":0,\"delta\":{%s}", fields);
    snprintf(end, sizeof end, ",\"logprobs\":null,\"finish_reason\":%s}]%s}\n\n", reason,
             connection->usage ? ",\"usage\":null" : "");
    event(connection, connection->prefix, middle, end);
}

/* Everything behind the text: why it ended, what it cost, and that it has ended. */
static void end_answer(Connection *connection) {
    choice(connection, "", "\"stop\"");
    if (connection->usage) {
        char text[32], usage[192];
        int written = 0;
        for (int i = 0; i < connection->deltas; i++) written += delta(i, text);
        snprintf(usage, sizeof usage,
                 "\"choices\":[],\"usage\":{\"prompt_tokens\":%d,\"completion_tokens\":%d,\"total_tokens\":%d}}\n\n",
                 connection->prompt_tokens, written, connection->prompt_tokens + written);
        event(connection, connection->prefix, usage, "");
    }
    event(connection, "data: [DONE]\n\n", "", "");
    append_text(&connection->out, "0\r\n\r\n");
}

/* Send all deltas that are due by now; plan the next. False when the client has left. */
static bool speak(Connection *connection, double now) {
    if (connection->sent == 0) choice(connection, "\"role\":\"assistant\",\"content\":\"\",\"refusal\":null", "null");
    while (connection->sent < connection->deltas) {
        double due = connection->first_due + connection->sent * connection->interval_s;
        if (due > now + SECOND_HALF_MS) {
            schedule(connection, due);
            return deliver(connection);
        }
        char text[32], fields[64];
        delta(connection->sent++, text);
        snprintf(fields, sizeof fields, "\"content\":\"%s\"", text);
        choice(connection, fields, "null");
    }
    end_answer(connection);
    unschedule(connection);
    finished++;
    return deliver(connection);
}

/* Requests. */

/* Where a field's value begins; a key within a text has a backslash before its quotes, so it is not found. */
static const char *value(const char *body, const char *key) {
    const char *found = strstr(body, key);
    return found == NULL ? "" : found + strlen(key) + strspn(found + strlen(key), " :");
}

static int number(const char *directive, const char *key, int usual) {
    const char *end = directive == NULL ? NULL : strstr(directive, "]]");
    const char *found = end == NULL ? NULL : strstr(directive, key);
    return found == NULL || found > end ? usual : atoi(found + strlen(key));
}

static void respond(Connection *connection, const char *status, const char *body) {
    char head[256];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", status,
             strlen(body));
    append_text(&connection->out, head);
    append_text(&connection->out, body);
}

static void begin_answer(Connection *connection, const char *body) {
    const char *directive = NULL, *model = value(body, "\"model\"");
    for (const char *next = body; (next = strstr(next, "[[sim ")) != NULL; next++) directive = next; /* the last one */
    model += *model == '"';
    int first_ms = number(directive, "first_ms=", 300);
    if (*value(body, "\"stream\"") != 't') {
        respond(connection, "400 Bad Request", "{\"error\":{\"message\":\"this provider streams: set stream\"}}");
        return;
    }
    started++;
    connection->sent = 0;
    connection->deltas = number(directive, " deltas=", 64);
    connection->interval_s = number(directive, "interval_ms=", 20) / 1000.0;
    connection->usage = *value(body, "\"include_usage\"") == 't';
    connection->prompt_tokens = (int)strlen(value(body, "\"messages\"")) / 3; /* a Chinese character is three bytes */
    connection->first_due = now_s() + first_ms / 1000.0;
    snprintf(connection->prefix, sizeof connection->prefix,
             "data: {\"id\":\"chatcmpl-sim%lx\",\"object\":\"chat.completion.chunk\",\"created\":%ld,\"model\":\"%.*s\","
             "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_simulated\",",
             started, (long)time(NULL), (int)strcspn(model, "\""), model);
    append_text(&connection->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                                  "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
    schedule(connection, connection->first_due);
}

static void answer(Connection *connection, const char *head, const char *body) {
    char stats[160];
    if (strncmp(head, "POST /v1/chat/completions ", 26) == 0) {
        begin_answer(connection, body);
    } else if (strncmp(head, "GET /v1/models ", 15) == 0) {
        respond(connection, "200 OK",
                "{\"object\":\"list\",\"data\":[{\"id\":\"simulated\",\"object\":\"model\",\"created\":1700000000,"
                "\"owned_by\":\"bench\"}]}");
    } else if (strncmp(head, "GET /sim/stats ", 15) == 0) {
        snprintf(stats, sizeof stats, "{\"started\":%ld,\"finished\":%ld,\"cancelled\":%ld,\"live\":%ld}", started,
                 finished, cancelled, started - finished - cancelled);
        respond(connection, "200 OK", stats);
    } else {
        respond(connection, "404 Not Found", "{\"error\":{\"message\":\"there is nothing here\"}}");
    }
}

/* Answer the requests that have come in full, one after the other. */
static void read_requests(Connection *connection) {
    char *end;
    while (connection->at_heap < 0 && connection->in.length && (end = strstr(connection->in.at, "\r\n\r\n")) != NULL) {
        const char *length = strcasestr(connection->in.at, "\r\ncontent-length:");
        size_t head = (size_t)(end - connection->in.at) + 4;
        size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
        if (connection->in.length < head + body) return;
        char behind = connection->in.at[head + body];
        connection->in.at[head + body] = 0;
        answer(connection, connection->in.at, connection->in.at + head);
        connection->in.at[head + body] = behind;
        drop_first(&connection->in, head + body);
    }
}

static void serve(Connection *connection, unsigned events) {
    static char buffer[READ_BYTES];
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t length = recv(connection->fd, buffer, sizeof buffer, 0);
        if (length == 0 || (length < 0 && errno != EAGAIN)) {
            drop(connection);
            return;
        }
        if (length > 0) append(&connection->in, buffer, (size_t)length);
        read_requests(connection);
    }
    /* What is due at once goes in one piece with its head. */
    if (connection->at_heap >= 0 && connection->due <= now_s())
        speak(connection, now_s());
    else
        deliver(connection);
}

static void accept_all(int listener) {
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        Connection *connection = grown(NULL, sizeof *connection);
        *connection = (Connection){.fd = fd, .at_heap = -1};
        send_at_once(fd);
        watch(poll_fd, fd, EPOLLIN, connection, EPOLL_CTL_ADD);
    }
}

static int listen_on(int port) {
    struct sockaddr_in address = loopback(port);
    socklen_t length = sizeof address;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("http://127.0.0.1:%d/v1\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int count, char **arguments) {
    static int input = STDIN_FILENO, listener;
    struct epoll_event events[EVENTS];
    raise_open_files();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    listener = listen_on(count > 1 ? atoi(arguments[1]) : 0);
    watch(poll_fd, listener, EPOLLIN, &listener, EPOLL_CTL_ADD);
    struct epoll_event ends = {.events = EPOLLIN, .data = {.ptr = &input}};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, input, &ends); /* not where it is a file: that never ends */
    for (;;) {
        int wait_ms = heap_length ? (int)ceil(fmax(heap[0]->due - now_s(), 0) * 1000) : -1;
        int ready = epoll_wait(poll_fd, events, EVENTS, wait_ms);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &input) return 0;
            if (events[i].data.ptr == &listener) accept_all(listener);
            else serve(events[i].data.ptr, events[i].events);
        }
        for (double now = now_s(); heap_length && heap[0]->due <= now + SECOND_HALF_MS;) speak(heap[0], now);
    }
}
