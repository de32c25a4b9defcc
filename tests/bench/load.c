/* The benchmark's viewers and its clock.
 *
 *   load ticks=PORT fps=15 warmup=1 seconds=5 [window=2] [v1=1] [ack=1] [slow=BYTES] GROUP...
 *
 * GROUP is CLASS:COUNT:CAMERA:PORT:PATH, CLASS one of healthy, stalled (never reads), slow (reads
 * `slow` bytes per second). fps=0 is the closed loop: the next tick goes out when every healthy
 * viewer has the frame before the last `window - 1`.
 *
 * A tick is a datagram of 20 hex digits to 127.0.0.1:ticks, CLOCK_MONOTONIC ns and the camera's
 * number. A server turns it into a frame whose JPEG begins FFD8 FFFE 0012 and the 16 digits, so
 * the delay from tick to the last byte of the message is known here without a second clock.
 *
 * Prints `ready` (all connected) and `start` (warmed up) and waits for a line after each; then
 * `end`, and one line of JSON. Frames are discarded in the kernel (MSG_TRUNC): copying them
 * would cost more than the rest of this program.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEALTHY, STALLED, SLOW, CLASSES };
enum { CONNECTING, SHAKING, OPEN, CLOSED };
enum { HEAD = 1024, MOST_CAMERAS = 256, AT_ONCE = 16, STAMP = 22 };
static const char *names[CLASSES] = {"healthy", "stalled", "slow"};

typedef struct {
    int fd, class, camera, port, state;
    const char *path;
    char head[HEAD];      /* the beginning of a message, or the answer to the handshake */
    size_t held;          /* bytes in head */
    size_t skip;          /* bytes of the current message still to be discarded */
    long budget;          /* bytes a slow viewer may still read now */
    int is_frame;         /* of the current message */
    uint64_t stamp;
    long seq;
    long last;            /* number of its newest tick, -1 before the first */
} Viewer;

typedef struct { uint64_t stamp; int passed; } Tick; /* passed: healthy viewers beyond it */
typedef struct { Tick *ticks; long count, room; long first; int viewers; } Camera;
typedef struct { uint32_t *us; long count, room; long viewers, old, closed; } Class;

static Viewer *viewers;
static int viewer_count, opened, next_to_open, shaking;
static Camera cameras[MOST_CAMERAS];
static Class classes[CLASSES];
static int camera_count = 1, epoll_fd, tick_fd, measuring, window = 2, v1, ack;
static double fps = 15, warmup = 1, seconds = 5, slow_rate;
static struct sockaddr_in tick_address;
static uint64_t last_arrival;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grown(void *array, long count, long *room, size_t size) {
    if (count < *room) return array;
    *room = *room ? *room * 2 : 4096;
    array = realloc(array, *room * size);
    return array ? array : (die("memory"), NULL);
}

/* ---- ticks ---------------------------------------------------------------------------------- */

static void tick(int number) {
    Camera *c = &cameras[number];
    c->ticks = grown(c->ticks, c->count, &c->room, sizeof *c->ticks);
    uint64_t stamp = now();
    c->ticks[c->count++] = (Tick){stamp, 0};
    char text[32];
    int length = snprintf(text, sizeof text, "%016llx%04x", (unsigned long long)stamp, number);
    sendto(tick_fd, text, length, 0, (void *)&tick_address, sizeof tick_address);
}

static long number_of(Camera *c, uint64_t stamp) {
    long low = 0, high = c->count - 1;
    while (low < high) {
        long middle = (low + high + 1) / 2;
        if (c->ticks[middle].stamp <= stamp) low = middle; else high = middle - 1;
    }
    return c->count && c->ticks[low].stamp == stamp ? low : -1;
}

/* In the closed loop: may the next frame be requested? */
static int has_room(Camera *c) {
    return c->count < window || c->ticks[c->count - window].passed >= c->viewers;
}

static int all_delivered(void) {
    for (int i = 0; i < camera_count; i++) {
        Camera *c = &cameras[i];
        if (c->count && c->ticks[c->count - 1].passed < c->viewers) return 0;
    }
    return 1;
}

static void arrived(Viewer *v) {
    Camera *c = &cameras[v->camera];
    Class *k = &classes[v->class];
    long number = number_of(c, v->stamp);
    if (number <= v->last) { k->old++; return; }
    if (v->class == HEALTHY)
        for (long i = v->last + 1; i <= number; i++) c->ticks[i].passed++;
    v->last = number;
    if (!measuring || number < c->first) return;
    k->us = grown(k->us, k->count, &k->room, sizeof *k->us);
    last_arrival = now();
    k->us[k->count++] = (last_arrival - v->stamp) / 1000;
}

/* ---- one viewer ------------------------------------------------------------------------------ */

static void watch(Viewer *v, int operation, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = v};
    if (epoll_ctl(epoll_fd, operation, v->fd, &e)) die("epoll_ctl");
}

static void hang_up(Viewer *v) {
    if (v->state == SHAKING || v->state == CONNECTING) {
        fprintf(stderr, "load: handshake failed: %.*s\n", (int)v->held, v->head);
        exit(1);
    }
    if (v->state == OPEN && v->class == HEALTHY) {
        Camera *c = &cameras[v->camera];
        c->viewers--; /* the closed loop no longer waits for it */
        for (long i = 0; i <= v->last; i++) c->ticks[i].passed--;
    }
    classes[v->class].closed++;
    v->state = CLOSED;
    close(v->fd);
}

static void say(Viewer *v, int opcode, const char *text, size_t length) {
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    unsigned char frame[6 + 125] = {0x80 | opcode, 0x80 | length};
    memcpy(frame + 2, mask, 4);
    for (size_t i = 0; i < length; i++) frame[6 + i] = text[i] ^ mask[i & 3];
    if (send(v->fd, frame, 6 + length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EPIPE)
        hang_up(v);
}

static void whole(Viewer *v) { /* the last byte of a message was read */
    if (!v->is_frame) return;
    v->is_frame = 0;
    arrived(v);
    if (ack && v->seq >= 0) {
        char text[40];
        say(v, 1, text, snprintf(text, sizeof text, "{\"ack\":%ld}", v->seq));
    }
}

static uint64_t from_hex(const unsigned char *jpeg) { /* 0 where the picture is not stamped */
    char digits[17] = {0};
    if (memcmp(jpeg, "\xff\xd8\xff\xfe\x00\x12", 6)) return 0;
    memcpy(digits, jpeg + 6, 16);
    return strtoull(digits, NULL, 16);
}

static void read_json(Viewer *v, const char *text, size_t length) {
    static const char table[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = memmem(text, length, "\"frame\":", 8);
    unsigned char jpeg[24];
    if (!found) return; /* a status or the like */
    found += 8;
    while (*found == ' ' || *found == '"') found++;
    if (found + 32 > text + length) return;
    for (int i = 0; i < 8; i++) {
        uint32_t bits = 0;
        for (int j = 0; j < 4; j++) {
            const char *at = strchr(table, found[4 * i + j]);
            bits = bits << 6 | (at ? (uint32_t)(at - table) : 0);
        }
        jpeg[3 * i] = bits >> 16, jpeg[3 * i + 1] = bits >> 8, jpeg[3 * i + 2] = bits;
    }
    v->stamp = from_hex(jpeg);
    v->is_frame = v->stamp != 0;
}

static void read_v1(Viewer *v, const char *header, size_t length) {
    const char *seq = memmem(header, length, "\"seq\":", 6);
    v->seq = seq ? atol(seq + 6) : -1;
    v->stamp = from_hex((const unsigned char *)header + length);
    v->is_frame = v->stamp != 0;
}

/* Take one message's beginning out of head; 0 where more bytes are needed. */
static int parsed(Viewer *v) {
    unsigned char *h = (unsigned char *)v->head;
    if (v->held < 2) return 0;
    size_t length = h[1] & 127, at = 2;
    int opcode = h[0] & 15;
    if (length == 126) at = 4; else if (length == 127) at = 10;
    if (v->held < at) return 0;
    if (at > 2) {
        length = 0;
        for (size_t i = 2; i < at; i++) length = length << 8 | h[i];
    }
    size_t have = v->held - at, want = length;
    if (opcode == 1 && want > 128) want = 128;
    if (opcode == 2 && length > 4 + STAMP) {
        want = 4;
        if (have >= 4) want = 4 + STAMP + (h[at] << 24 | h[at + 1] << 16 | h[at + 2] << 8 | h[at + 3]);
        if (want > length || want > HEAD - at) want = 4 + STAMP; /* no frame of ours */
    }
    if (have < want) return 0;
    v->is_frame = 0;
    if (opcode == 1) read_json(v, v->head + at, want);
    else if (opcode == 2 && want >= 4 + STAMP) read_v1(v, v->head + at + 4, want - 4 - STAMP);
    else if (opcode == 9) say(v, 10, v->head + at, length);
    else if (opcode == 8) { hang_up(v); return 0; }
    if (length > have) {
        v->skip = length - have;
        v->held = 0;
    } else {
        v->held = have - length;
        memmove(v->head, v->head + at + length, v->held);
        whole(v);
    }
    return v->state == OPEN && !v->skip;
}

static ssize_t take(Viewer *v, void *into, size_t most, int flags) {
    if (v->class == SLOW && v->state == OPEN && (long)most > v->budget)
        most = v->budget > 0 ? v->budget : 0;
    if (!most) return 0;
    ssize_t n = recv(v->fd, into, most, flags | MSG_DONTWAIT);
    if (n > 0) v->budget -= n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) hang_up(v);
    return n;
}

static void read_messages(Viewer *v) {
    while (v->state == OPEN) {
        if (v->skip) {
            ssize_t n = take(v, NULL, v->skip, MSG_TRUNC);
            if (n <= 0) return;
            v->skip -= n;
            if (!v->skip) whole(v);
            if (v->skip || v->class != SLOW) return; /* epoll says when there is more */
        } else {
            ssize_t n = take(v, v->head + v->held, HEAD - v->held, 0);
            if (n <= 0) return;
            v->held += n;
            while (parsed(v)) {}
            if (!v->skip && v->class != SLOW) return;
        }
    }
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void begin(Viewer *v) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(v->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (v->fd < 0) die("socket");
    setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(v->fd, (void *)&to, sizeof to) && errno != EINPROGRESS) die("connect");
    v->state = CONNECTING;
    shaking++;
    watch(v, EPOLL_CTL_ADD, EPOLLOUT);
}

static void ask(Viewer *v) {
    char text[1024];
    int length = snprintf(text, sizeof text,
        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n", v->path, v->port, v->port,
        v1 ? "Sec-WebSocket-Protocol: sideline.v1\r\n" : "");
    if (send(v->fd, text, length, MSG_NOSIGNAL) != length) die("connect");
    v->state = SHAKING;
    watch(v, EPOLL_CTL_MOD, EPOLLIN);
}

/* Byte by byte, so that a stalled viewer reads the handshake and nothing more. */
static void shake(Viewer *v) {
    while (v->held < HEAD - 1) {
        if (recv(v->fd, v->head + v->held, 1, MSG_DONTWAIT) != 1) {
            if (errno != EAGAIN) hang_up(v);
            return;
        }
        v->head[++v->held] = 0;
        if (v->held >= 4 && !memcmp(v->head + v->held - 4, "\r\n\r\n", 4)) break;
    }
    if (strncmp(v->head, "HTTP/1.1 101", 12)) hang_up(v);
    v->held = 0;
    v->state = OPEN;
    shaking--, opened++;
    if (v->class != HEALTHY) epoll_ctl(epoll_fd, EPOLL_CTL_DEL, v->fd, NULL);
}

/* ---- the loop -------------------------------------------------------------------------------- */

static int clock_fd, pace_fd; /* timers: ticks of the open loop; reads of the slow viewers */
static int a_line, next_camera;
static const double PACE = 0.01;

static void set_timer(int fd, double period) {
    struct timespec t = {(time_t)period, (long)((period - (time_t)period) * 1e9)};
    struct itimerspec when = {t, t};
    timerfd_settime(fd, 0, &when, NULL);
}

static uint64_t due(int fd) {
    uint64_t times = 0;
    return read(fd, &times, sizeof times) == sizeof times ? times : 0;
}

static void handle(struct epoll_event *e) {
    if (e->data.ptr == &clock_fd) {
        for (uint64_t n = due(clock_fd); n; n--) tick(next_camera++ % camera_count);
    } else if (e->data.ptr == &pace_fd) {
        long more = due(pace_fd) * PACE * slow_rate;
        for (Viewer *v = viewers; v < viewers + viewer_count; v++) {
            if (v->class != SLOW || v->state != OPEN) continue;
            v->budget = v->budget + more > 2 * more ? 2 * more : v->budget + more;
            read_messages(v);
        }
    } else if (e->data.ptr == &a_line) {
        char line[64];
        if (read(0, line, sizeof line) <= 0) exit(1); /* the parent process is gone */
        a_line = 1;
    } else {
        Viewer *v = e->data.ptr;
        if (v->state == CONNECTING) ask(v);
        else if (v->state == SHAKING) shake(v);
        else if (v->state == OPEN) read_messages(v);
    }
}

static void pump(int ms) {
    struct epoll_event events[256];
    int n = epoll_wait(epoll_fd, events, 256, ms);
    for (int i = 0; i < n; i++) handle(&events[i]);
}

static void phase(double length) {
    uint64_t end = now() + (uint64_t)(length * 1e9);
    if (fps > 0) set_timer(clock_fd, 1 / (fps * camera_count));
    while (now() < end) {
        if (fps <= 0)
            for (int i = 0; i < camera_count; i++) {
                Camera *c = &cameras[i];
                while (has_room(c)) tick(i);
                if (now() - c->ticks[c->count - 1].stamp > 1000000000ull) tick(i); /* lost */
            }
        pump(5);
    }
    set_timer(clock_fd, 0);
    due(clock_fd);
    for (end = now() + 1000000000ull; now() < end && !all_delivered();) pump(5);
}

static void announce(const char *word) {
    puts(word);
    fflush(stdout);
    for (a_line = 0; !a_line;) pump(100);
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile(Class *k, double part) {
    return k->count ? k->us[(long)(part * (k->count - 1))] / 1000.0 : 0;
}

static void report(double duration, double span) {
    long ticks = 0;
    printf("{\"seconds\": %.4f, \"span\": %.4f, \"classes\": {", duration, span);
    for (int i = 0, comma = 0; i < CLASSES; i++) {
        Class *k = &classes[i];
        if (!k->viewers) continue;
        long offered = 0;
        for (Viewer *v = viewers; v < viewers + viewer_count; v++)
            if (v->class == i) offered += cameras[v->camera].count - cameras[v->camera].first;
        qsort(k->us, k->count, sizeof *k->us, by_size);
        printf("%s\"%s\": {\"viewers\": %ld, \"offered\": %ld, \"delivered\": %ld, \"old\": %ld, "
               "\"closed\": %ld, \"p50\": %.3f, \"p95\": %.3f, \"p99\": %.3f, \"max\": %.3f}",
               comma++ ? ", " : "", names[i], k->viewers, offered, k->count, k->old, k->closed,
               quantile(k, .5), quantile(k, .95), quantile(k, .99), quantile(k, 1));
    }
    for (int i = 0; i < camera_count; i++) ticks += cameras[i].count - cameras[i].first;
    printf("}, \"ticks\": %ld}\n", ticks);
    fflush(stdout);
}

static void add_group(char *text) {
    char class[16], path[200];
    int count, camera, port;
    if (sscanf(text, "%15[^:]:%d:%d:%d:%199s", class, &count, &camera, &port, path) != 5 ||
        camera < 0 || camera >= MOST_CAMERAS) {
        fprintf(stderr, "load: not CLASS:COUNT:CAMERA:PORT:PATH: %s\n", text);
        exit(2);
    }
    int kind = !strcmp(class, "stalled") ? STALLED : !strcmp(class, "slow") ? SLOW : HEALTHY;
    viewers = realloc(viewers, (viewer_count + count) * sizeof *viewers);
    for (int i = 0; i < count; i++)
        viewers[viewer_count++] = (Viewer){
            .class = kind, .camera = camera, .port = port, .path = strdup(path), .last = -1};
    classes[kind].viewers += count;
    if (kind == HEALTHY) cameras[camera].viewers += count;
    if (camera >= camera_count) camera_count = camera + 1;
}

static void read_arguments(int count, char **arguments) {
    int port = 0;
    for (int i = 1; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        if (!value) { add_group(arguments[i]); continue; }
        *value++ = 0;
        const char *name = arguments[i];
        if (!strcmp(name, "ticks")) port = atoi(value);
        else if (!strcmp(name, "fps")) fps = atof(value);
        else if (!strcmp(name, "warmup")) warmup = atof(value);
        else if (!strcmp(name, "seconds")) seconds = atof(value);
        else if (!strcmp(name, "window")) window = atoi(value);
        else if (!strcmp(name, "v1")) v1 = atoi(value);
        else if (!strcmp(name, "ack")) ack = atoi(value);
        else if (!strcmp(name, "slow")) slow_rate = atof(value);
        else { fprintf(stderr, "load: unknown option %s\n", name); exit(2); }
    }
    tick_address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    tick_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
}

int main(int count, char **arguments) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    read_arguments(count, arguments);
    tick_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    pace_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    void *own[] = {&clock_fd, &pace_fd, &a_line};
    int fds[] = {clock_fd, pace_fd, 0};
    for (int i = 0; i < 3; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = own[i]};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fds[i], &e)) die("epoll_ctl: stdin must be a pipe");
    }
    while (opened < viewer_count) {
        while (next_to_open < viewer_count && shaking < AT_ONCE) begin(&viewers[next_to_open++]);
        pump(100);
    }
    if (slow_rate > 0) set_timer(pace_fd, PACE);
    announce("ready");
    phase(warmup);
    for (int i = 0; i < CLASSES; i++) classes[i].old = 0;
    announce("start");
    for (int i = 0; i < camera_count; i++) cameras[i].first = cameras[i].count;
    measuring = 1;
    uint64_t from = now();
    phase(seconds);
    double duration = (now() - from) / 1e9;
    puts("end");
    fflush(stdout);
    report(duration, last_arrival > from ? (last_arrival - from) / 1e9 : 0);
    return 0;
}
