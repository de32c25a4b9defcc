/* The limit: a bare epoll loop that writes one prepared message to every WebSocket.
 *
 *   loop PORT TICKS json|binary PICTURE WIDTH HEIGHT
 *
 * Not a real server: it answers any handshake with the RFC's sample key and ignores what viewers
 * send. The number at the end of the path is the camera. A socket with an unfinished message keeps
 * the remainder and misses frames meanwhile.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, MOST_JPEG = 1 << 20, MARGIN = 512, JPEG_STAMP = 6 };

typedef struct { int fd, camera, open; size_t held, left; char *rest, head[1024]; } Socket;

static Socket *sockets[MOST];
static int socket_count, binary, width, height, epoll_fd;
static unsigned char jpeg[MOST_JPEG];
static size_t jpeg_size;
static long seq;
static char message[MOST_JPEG * 2];

static size_t base64(char *out, const unsigned char *in, size_t n) {
    static const char t[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *o = out;
    for (; n >= 3; n -= 3, in += 3) {
        uint32_t b = in[0] << 16 | in[1] << 8 | in[2];
        *o++ = t[b >> 18], *o++ = t[b >> 12 & 63], *o++ = t[b >> 6 & 63], *o++ = t[b & 63];
    }
    if (n) {
        uint32_t b = in[0] << 16 | (n == 2 ? in[1] << 8 : 0);
        *o++ = t[b >> 18], *o++ = t[b >> 12 & 63], *o++ = n == 2 ? t[b >> 6 & 63] : '=', *o++ = '=';
    }
    return o - out;
}

/* Builds the message of a tick in a WebSocket frame; returns its start. */
static char *framed(int camera, size_t *length) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    long long ms = t.tv_sec * 1000ll + t.tv_nsec / 1000000;
    char *body = message + MARGIN, *at = body;
    if (binary) {
        int n = sprintf(at + 4, "{\"timestamp\":%lld,\"seq\":%ld,\"width\":%d,\"height\":%d,"
                        "\"camera_id\":\"%d\",\"age_ms\":0}", ms, ++seq, width, height, camera);
        at[0] = n >> 24, at[1] = n >> 16, at[2] = n >> 8, at[3] = n;
        memcpy(at + 4 + n, jpeg, jpeg_size);
        at += 4 + n + jpeg_size;
    } else {
        at += sprintf(at, "{\"frame\":\"");
        at += base64(at, jpeg, jpeg_size);
        at += sprintf(at, "\",\"timestamp\":%lld,\"camera_id\":\"%d\"}", ms, camera);
    }
    size_t n = at - body, head = n < 65536 ? 4 : 10;
    char *start = body - head;
    start[0] = 0x80 | (binary ? 2 : 1);
    start[1] = n < 65536 ? 126 : 127;
    for (size_t i = head - 1, left = n; i >= 2; i--, left >>= 8) start[i] = left & 255;
    *length = head + n;
    return start;
}

static void listen_for(Socket *s, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = s};
    epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &e);
}

static void offer(Socket *s, const char *data, size_t length) {
    if (!s->open || s->left) return;
    ssize_t n = send(s->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) n = 0;
    if ((size_t)n == length) return;
    s->left = length - n;
    s->rest = malloc(s->left);
    memcpy(s->rest, data + n, s->left);
    listen_for(s, EPOLLIN | EPOLLOUT);
}

static void flush(Socket *s) {
    ssize_t n = send(s->fd, s->rest, s->left, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n <= 0) return;
    s->left -= n;
    memmove(s->rest, s->rest + n, s->left);
    if (s->left) return;
    free(s->rest);
    listen_for(s, EPOLLIN);
}

static void on_tick(int fd) {
    char text[64];
    ssize_t n;
    while ((n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT)) == 20) {
        text[n] = 0;
        memcpy(jpeg + JPEG_STAMP, text, 16);
        int camera = strtol(text + 16, NULL, 16);
        size_t length;
        char *start = framed(camera, &length);
        for (int i = 0; i < socket_count; i++)
            if (sockets[i]->camera == camera) offer(sockets[i], start, length);
    }
}

static void shake(Socket *s) {
    s->head[s->held] = 0;
    char *path = s->head, *end = strchr(path + 4, ' ');
    if (!strstr(s->head, "\r\n\r\n") || !end) return;
    while (end > path && end[-1] >= '0' && end[-1] <= '9') end--;
    s->camera = atoi(end);
    char answer[300];
    int n = sprintf(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                    "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                    "%s\r\n", binary ? "Sec-WebSocket-Protocol: sideline.v1\r\n" : "");
    if (send(s->fd, answer, n, MSG_NOSIGNAL) == n) s->open = 1;
}

static void hang_up(Socket *s) {
    for (int i = 0; i < socket_count; i++)
        if (sockets[i] == s) sockets[i] = sockets[--socket_count];
    close(s->fd);
    if (s->left) free(s->rest);
    free(s);
}

static void on_readable(Socket *s) {
    ssize_t n = s->open ? recv(s->fd, NULL, 1 << 16, MSG_DONTWAIT | MSG_TRUNC)
                        : recv(s->fd, s->head + s->held, sizeof s->head - 1 - s->held, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) { hang_up(s); return; }
    if (n > 0 && !s->open) { s->held += n; shake(s); }
}

static void on_accept(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), yes = 1;
    if (fd < 0 || socket_count == MOST) { close(fd); return; }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    Socket *s = sockets[socket_count++] = calloc(1, sizeof *s);
    s->fd = fd;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

static int bound(int type, int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (void *)&at, sizeof at) || (type == SOCK_STREAM && listen(fd, 1024))) {
        perror("loop: bind");
        exit(1);
    }
    return fd;
}

int main(int count, char **arguments) {
    if (count != 7) { fputs("loop PORT TICKS json|binary PICTURE WIDTH HEIGHT\n", stderr); return 2; }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    binary = !strcmp(arguments[3], "binary");
    FILE *picture = fopen(arguments[4], "rb");
    if (!picture) { perror(arguments[4]); return 1; }
    jpeg_size = fread(jpeg, 1, sizeof jpeg, picture);
    fclose(picture);
    width = atoi(arguments[5]), height = atoi(arguments[6]);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    int listener = bound(SOCK_STREAM, atoi(arguments[1])), ticks = bound(SOCK_DGRAM, atoi(arguments[2]));
    int *own[] = {&listener, &ticks};
    for (int i = 0; i < 2; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = own[i]};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, *own[i], &e);
    }
    for (;;) {
        struct epoll_event events[256];
        int n = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &listener) on_accept(listener);
            else if (events[i].data.ptr == &ticks) on_tick(ticks);
            else {
                Socket *s = events[i].data.ptr;
                if (events[i].events & EPOLLOUT && s->left) flush(s);
                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) on_readable(s);
            }
        }
    }
}
