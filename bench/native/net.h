/* What the provider and the load generator share: the clock, growing bytes, and sockets of this machine. */
#ifndef NET_H
#define NET_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Bytes that grow. A zero always stands behind them, so that they can be searched as a string. */
typedef struct {
    char *at;
    size_t length, room;
} Bytes;

static inline double now_s(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static inline void fail(const char *what) {
    perror(what);
    exit(1);
}

static inline void *grown(void *old, size_t size) {
    void *memory = realloc(old, size);
    if (memory == NULL) fail("memory");
    return memory;
}

static inline void append(Bytes *bytes, const void *more, size_t length) {
    if (bytes->length + length + 1 > bytes->room) {
        bytes->room = 2 * (bytes->length + length) + 256;
        bytes->at = grown(bytes->at, bytes->room);
    }
    memcpy(bytes->at + bytes->length, more, length);
    bytes->length += length;
    bytes->at[bytes->length] = 0;
}

static inline void append_text(Bytes *bytes, const char *text) { append(bytes, text, strlen(text)); }

static inline void drop_first(Bytes *bytes, size_t length) {
    bytes->length -= length;
    memmove(bytes->at, bytes->at + length, bytes->length + 1);
}

/* Allow as many connections as the system lets us have. */
static inline void raise_open_files(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void send_at_once(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static inline void watch(int poll, int fd, unsigned wanted, void *owner, int how) {
    struct epoll_event event = {.events = wanted, .data = {.ptr = owner}};
    if (epoll_ctl(poll, how, fd, &event) != 0) fail("epoll");
}

/* Send what waits in `out`: 1 when all is gone, 0 when the socket takes no more now, -1 when the other side has left. */
static inline int flushed(int fd, Bytes *out) {
    ssize_t sent = send(fd, out->at, out->length, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOTCONN ? 0 : -1;
    if ((size_t)sent == out->length) {
        out->length = 0;
        return 1;
    }
    drop_first(out, (size_t)sent);
    return 0;
}

#endif
