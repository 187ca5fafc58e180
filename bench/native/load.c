/* The load generator's hands: sends chats when they are due, reads the answers, and tells what became of each.
 *
 * bench/native_load.py plans what it sends and makes figures of what it tells. One thread; an answer is looked at line
 * by line in the buffer that it was received into, and of one in so many the whole text is read.
 *
 *     load [options] KEY...      in an open loop the times of arrival, in seconds, come one a line on standard input
 *       -p PORT  -c USERS (a closed loop; 0 for an open one)  -s SECONDS  -w PAUSE_S  -t TIMEOUT_S  -e SAMPLE_EVERY
 *       -h HEAD (request line and headers)  -b BODY_BEFORE  -a BODY_AFTER  -u (the chat's number goes between the two)
 */
#include "chat.h"
#include "net.h"

#include <sys/timerfd.h>

#define EVENTS 512
#define READ_BYTES 262144

typedef enum { HEAD, SIZE, DATA, CHUNK_END, TRAILER } Part;
typedef enum { MORE, ENDED, BROKEN } Progress;

typedef struct {
    int fd;
    bool reached, chunked, closes, until_closed;
    Part part;
    size_t left; /* of the chunk, or of the body */
    int status;
    long chat, place; /* chat: -1 while idle */
    Bytes out, head, line;
} Connection;

static struct {
    int port, users;
    double seconds, pause, timeout;
    long every;
    bool numbered;
    const char *head, *before, *after;
    char **keys;
    int keys_count;
} plan = {.seconds = 1, .timeout = 30, .every = 20, .head = "", .before = "", .after = ""};

static int poll_fd, timer_fd;
static double start;
static double *due; /* when chats are due: all arrivals, or of each user who waits the next */
static Chat *chats;
static Connection **connections; /* all; those that are idle stand before the others */
static long due_first, due_end, due_room, chats_count, chats_room, idle_count, connections_count, connections_room;
static char example[301];

static void add_due(double at) {
    if (due_end == due_room) due = grown(due, sizeof *due * (size_t)(due_room = 2 * due_room + 1024));
    due[due_end++] = at;
}

static void move(Connection *connection, long place) {
    Connection *other = connections[place];
    connections[other->place = connection->place] = other;
    connections[connection->place = place] = connection;
}

static void drop(Connection *connection) {
    if (connection->place < idle_count) move(connection, --idle_count);
    move(connection, --connections_count);
    close(connection->fd);
    free(connection->out.at);
    free(connection->head.at);
    free(connection->line.at);
    free(connection);
}

static void end_chat(Connection *connection, const char *error) {
    Chat *chat = &chats[connection->chat];
    chat->ended = now_s();
    if (error != NULL && !chat->error[0]) snprintf(chat->error, sizeof chat->error, "%s", error);
    if (!chat->error[0] && chat->first_text == 0) strcpy(chat->error, "no content");
    if (chat->error[0] && !example[0] && connection->line.length)
        snprintf(example, sizeof example, "%s", connection->line.at);
    connection->chat = -1;
    if (plan.users && chat->ended < start + plan.seconds) add_due(chat->ended + plan.pause);
}

static void read_body(Connection *connection, const char *body, size_t length, double now) {
    Chat *chat = &chats[connection->chat];
    Bytes *line = &connection->line;
    if (connection->status != 200) {
        append(line, body, length);
        return;
    }
    for (const char *end; (end = memchr(body, '\n', length)) != NULL;) {
        size_t part = (size_t)(end - body);
        if (line->length) {
            append(line, body, part);
            read_line(chat, line->at, line->length, now);
            line->length = 0;
        } else {
            read_line(chat, body, part, now);
        }
        length -= part + 1;
        body = end + 1;
    }
    if (length) append(line, body, length);
}

/* The answer has ended; its connection waits for the next question. */
static void end_answer(Connection *connection) {
    char error[40];
    snprintf(error, sizeof error, "HTTP %d", connection->status);
    bool done = chats[connection->chat].done;
    end_chat(connection, connection->status != 200 ? error : done ? NULL : "ended without [DONE]");
    move(connection, idle_count++);
    if (connection->closes) drop(connection);
}

static bool read_head(Connection *connection) {
    const char *text = connection->head.at, *length = strcasestr(text, "\r\ncontent-length:");
    if (sscanf(text, "HTTP/1.%*1d %d", &connection->status) != 1) return false;
    connection->chunked = strcasestr(text, "\r\ntransfer-encoding:") != NULL;
    connection->closes = strcasestr(text, "\r\nconnection: close") != NULL;
    connection->until_closed = !connection->chunked && length == NULL;
    connection->left = connection->chunked ? 0 : length != NULL ? strtoul(length + 17, NULL, 10) : SIZE_MAX;
    connection->part = connection->chunked ? SIZE : DATA;
    return true;
}

/* A line of HTTP's own has come: of the head, a chunk's size, the end of a chunk, or of what follows the last one. */
static Progress read_frame(Connection *connection) {
    Bytes *line = &connection->head;
    if (connection->part == HEAD) {
        if (line->length < 4 || memcmp(line->at + line->length - 4, "\r\n\r\n", 4) != 0) return MORE;
        if (!read_head(connection)) return BROKEN;
        if (connection->part == DATA && connection->left == 0) return ENDED;
    } else if (connection->part == CHUNK_END) {
        connection->part = SIZE;
    } else if (connection->part == SIZE) {
        connection->left = strtoul(line->at, NULL, 16);
        connection->part = connection->left ? DATA : TRAILER;
    } else if (line->length <= 2) {
        return ENDED;
    }
    line->length = 0;
    return MORE;
}

static Progress read_answer(Connection *connection, const char *at, size_t length, double now) {
    Progress progress = MORE;
    while (length && progress == MORE) {
        size_t part = length < connection->left ? length : connection->left;
        if (connection->part == DATA) {
            read_body(connection, at, part, now);
            connection->left -= part;
            if (connection->left == 0 && connection->chunked) connection->part = CHUNK_END;
            else if (connection->left == 0) progress = ENDED;
        } else {
            const char *end = memchr(at, '\n', length);
            part = end == NULL ? length : (size_t)(end - at) + 1;
            append(&connection->head, at, part);
            if (end != NULL) progress = read_frame(connection);
        }
        at += part;
        length -= part;
    }
    return progress;
}

static void lose(Connection *connection, const char *error) {
    if (connection->chat >= 0) end_chat(connection, error);
    drop(connection);
}

static void serve(Connection *connection, unsigned events) {
    static char buffer[READ_BYTES + 1];
    if (connection->out.length && events & EPOLLOUT) {
        int all = flushed(connection->fd, &connection->out);
        if (all < 0) return lose(connection, connection->reached ? "connection lost" : "cannot connect");
        connection->reached |= all == 1;
        if (all) watch(poll_fd, connection->fd, EPOLLIN, connection, EPOLL_CTL_MOD);
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    ssize_t length = recv(connection->fd, buffer, READ_BYTES, 0);
    if (length < 0 && errno == EAGAIN) return;
    if (length == 0 && connection->chat >= 0 && connection->part == DATA && connection->until_closed) {
        connection->closes = true;
        return end_answer(connection);
    }
    if (length <= 0 || connection->chat < 0) return lose(connection, "connection lost");
    buffer[length] = 0;
    Progress progress = read_answer(connection, buffer, (size_t)length, now_s());
    if (progress == ENDED) end_answer(connection);
    if (progress == BROKEN) lose(connection, "broken HTTP");
}

static Connection *connected(void) {
    struct sockaddr_in address = loopback(plan.port);
    Connection *connection = grown(NULL, sizeof *connection);
    *connection = (Connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (connection->fd < 0) fail("socket");
    send_at_once(connection->fd);
    /* Whether it is refused shows when it is read from. */
    connect(connection->fd, (struct sockaddr *)&address, sizeof address);
    watch(poll_fd, connection->fd, EPOLLIN | EPOLLOUT, connection, EPOLL_CTL_ADD);
    if (connections_count == connections_room)
        connections = grown(connections, sizeof *connections * (size_t)(connections_room = 2 * connections_room + 64));
    connections[connection->place = connections_count++] = connection;
    return connection;
}

static void ask(double scheduled) {
    bool used = idle_count > 0;
    Connection *connection = used ? connections[--idle_count] : connected();
    if (chats_count == chats_room) chats = grown(chats, sizeof *chats * (size_t)(chats_room = 2 * chats_room + 1024));
    long number = connection->chat = chats_count++;
    chats[number] = (Chat){.scheduled = scheduled, .sent = now_s(), .text_hash = 14695981039346656037u};
    chats[number].sampled = number % plan.every == 0;
    connection->head.length = connection->line.length = connection->left = 0;
    connection->part = HEAD;
    char middle[24] = "", head[160];
    if (plan.numbered) snprintf(middle, sizeof middle, "%ld", number);
    size_t length = strlen(plan.before) + strlen(middle) + strlen(plan.after);
    snprintf(head, sizeof head, "\r\nContent-Length: %zu\r\n\r\n", length);
    append_text(&connection->out, plan.head);
    append_text(&connection->out, "Authorization: Bearer ");
    append_text(&connection->out, plan.keys[number % plan.keys_count]);
    append_text(&connection->out, head);
    append_text(&connection->out, plan.before);
    append_text(&connection->out, middle);
    append_text(&connection->out, plan.after);
    if (used && flushed(connection->fd, &connection->out) == 0)
        watch(poll_fd, connection->fd, EPOLLIN | EPOLLOUT, connection, EPOLL_CTL_MOD);
}

static void give_up(double now) {
    for (long place = connections_count - 1; place >= idle_count; place--)
        if (now > chats[connections[place]->chat].sent + plan.timeout) lose(connections[place], "timeout");
}

static void tell(double elapsed) {
    struct rusage used;
    for (long i = 0; i < chats_count; i++) tell_chat(&chats[i]);
    tell_gaps();
    for (char *at = example; *at; at++)
        if (*at == '\n' || *at == '\r') *at = ' ';
    if (example[0]) printf("example %s\n", example);
    getrusage(RUSAGE_SELF, &used);
    double user = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6;
    printf("end %.4f %.4f\n", elapsed, user + (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6);
}

static void read_plan(int count, char **arguments) {
    for (int option; (option = getopt(count, arguments, "p:c:s:w:t:e:h:b:a:u")) != -1;) {
        if (option == 'p') plan.port = atoi(optarg);
        else if (option == 'c') plan.users = atoi(optarg);
        else if (option == 's') plan.seconds = atof(optarg);
        else if (option == 'w') plan.pause = atof(optarg);
        else if (option == 't') plan.timeout = atof(optarg);
        else if (option == 'e') plan.every = atol(optarg);
        else if (option == 'h') plan.head = optarg;
        else if (option == 'b') plan.before = optarg;
        else if (option == 'a') plan.after = optarg;
        else if (option == 'u') plan.numbered = true;
        else exit(2);
    }
    plan.keys = arguments + optind;
    plan.keys_count = count - optind;
    if (plan.keys_count < 1 || plan.every < 1) exit(2);
}

/* Wake up when the next chat is due, to the microsecond: epoll alone knows milliseconds. */
static void set_alarm(double at) {
    struct itimerspec alarm = {.it_value = {.tv_sec = (time_t)at, .tv_nsec = (long)((at - (double)(time_t)at) * 1e9)}};
    timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &alarm, NULL);
}

int main(int count, char **arguments) {
    struct epoll_event events[EVENTS];
    read_plan(count, arguments);
    raise_open_files();
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    watch(poll_fd, timer_fd, EPOLLIN, &timer_fd, EPOLL_CTL_ADD);
    double at, planned = 0, now = start = now_s(), looked = now;
    for (int i = 0; i < plan.users; i++) add_due(now);
    while (!plan.users && scanf("%lf", &at) == 1) add_due(at);
    now = start = now_s();
    for (long i = 0; i < due_end && !plan.users; i++) due[i] += start;
    while (due_first < due_end || idle_count < connections_count) {
        for (now = now_s(); due_first < due_end && due[due_first] <= now; now = now_s(), due_first++)
            if (!plan.users) ask(due[due_first]);
            else if (now < start + plan.seconds) ask(now);
        if (now > looked + 0.1) give_up(looked = now);
        if (due_first < due_end && due[due_first] != planned) set_alarm(planned = due[due_first]);
        int ready = epoll_wait(poll_fd, events, EVENTS, 100);
        for (int i = 0; i < ready; i++) {
            uint64_t times;
            if (events[i].data.ptr != &timer_fd) serve(events[i].data.ptr, events[i].events);
            else if (read(timer_fd, &times, sizeof times) < 0) fail("timer");
        }
    }
    tell(now_s() - start);
}
