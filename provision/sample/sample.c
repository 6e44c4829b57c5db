/* The program inside the sample container: one static file, no libc, no network needed to build it.
 *
 *   sample print WORD...       write the words and a newline
 *   sample serve PORT TOKEN    answer each HTTP request with "<host name> <token>"
 *   sample resolve NAME        ask the first IPv4 nameserver of /etc/resolv.conf for an address
 *   sample eat MEGABYTES       use that much memory
 *   sample spin SECONDS        keep one processor busy
 *   sample sleep SECONDS       wait
 *   sample exit N              end with this exit code
 *
 * Exit codes: 0 done, 1 it did not work, 64 wrong arguments. SIGTERM and SIGINT end it with 0, also
 * as process 1 of a container. Linux on x86_64 and aarch64; `./build` makes both.
 */
typedef unsigned char u8;
typedef unsigned long size;

#if defined(__x86_64__)
enum { READ = 0, WRITE = 1, CLOSE = 3, MMAP = 9, SIGACTION = 13, NANOSLEEP = 35, SOCKET = 41, CONNECT = 42,
       ACCEPT = 43, BIND = 49, LISTEN = 50, SETSOCKOPT = 54, EXIT = 60, UNAME = 63, CLOCK = 228, OPENAT = 257 };
__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call start\n");

static long call(long n, long a, long b, long c, long d, long e, long f) {
    long r;
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return r;
}
#elif defined(__aarch64__)
enum { READ = 63, WRITE = 64, CLOSE = 57, MMAP = 222, SIGACTION = 134, NANOSLEEP = 101, SOCKET = 198,
       CONNECT = 203, ACCEPT = 202, BIND = 200, LISTEN = 201, SETSOCKOPT = 208, EXIT = 93, UNAME = 160,
       CLOCK = 113, OPENAT = 56 };
__asm__(".globl _start\n_start:\n mov x0, sp\n bl start\n");

static long call(long n, long a, long b, long c, long d, long e, long f) {
    register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#else
#error "sample.c knows x86_64 and aarch64"
#endif

#define USAGE "print WORD... | serve PORT TOKEN | resolve NAME | eat MB | spin S | sleep S | exit N"
#define CALL3(n, a, b, c) call(n, (long)(a), (long)(b), (long)(c), 0, 0, 0)

struct time { long seconds, nanoseconds; };
struct ipv4 { unsigned short family, port; u8 address[4], zero[8]; };
struct names { char sysname[65], nodename[65], rest[4][65]; };
struct action { void (*handler)(void); size flags; void (*restorer)(void); size mask; };
enum { AF_INET = 2, STREAM = 1, DATAGRAM = 2, SOL_SOCKET = 1, REUSEADDR = 2, RECEIVE_TIMEOUT = 20 };

static __attribute__((noreturn)) void leave(int code) {
    CALL3(EXIT, code, 0, 0);
    __builtin_unreachable();
}

static size length(const char *text) {
    size n = 0;
    while (text[n])
        n++;
    return n;
}

/* Give the place behind the word, or 0 when the text does not start with it. */
static const char *after(const char *text, const char *word) {
    for (; *word && *text == *word; text++, word++)
        ;
    return *word ? 0 : text;
}

static int same(const char *a, const char *b) {
    const char *rest = after(a, b);
    return rest && !*rest;
}

static void send_all(int to, const char *text, size n) {
    while (n > 0) {
        long done = CALL3(WRITE, to, text, n);
        if (done <= 0)
            return;
        text += done, n -= done;
    }
}

static void say(int to, const char *text) { send_all(to, text, length(text)); }

static void say_number(int to, size n) {
    char digits[20];
    int at = sizeof digits;
    do
        digits[--at] = '0' + n % 10;
    while (n /= 10);
    send_all(to, digits + at, sizeof digits - at);
}

static __attribute__((noreturn)) void fail(int code, const char *why) {
    say(2, why), say(2, "\n");
    leave(code);
}

/* A decimal number of at most nine digits, so that nothing can overflow. */
static size number(const char *text) {
    size n = 0, digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++)
        n = n * 10 + (*text - '0');
    if (*text || digits < 1 || digits > 9)
        fail(64, "a number has one to nine digits");
    return n;
}

static void stop(void) { leave(0); }

/* Process 1 ignores a signal without a handler; the restorer is never reached, x86_64 demands one. */
static void end_on(int signal) {
    struct action action = { stop, 0x04000000, stop, 0 };
    call(SIGACTION, signal, (long)&action, 0, 8, 0, 0);
}

static void time_out(int socket, long seconds) {
    struct time limit = { seconds, 0 };
    call(SETSOCKOPT, socket, SOL_SOCKET, RECEIVE_TIMEOUT, (long)&limit, sizeof limit, 0);
}

/* Read until the empty line, the time out or a full buffer. */
static void read_request(int client) {
    char text[2048];
    for (size n = 0; n < sizeof text;) {
        long got = CALL3(READ, client, text + n, sizeof text - n);
        if (got <= 0)
            return;
        n += got;
        if (n > 3 && text[n - 1] == '\n' && (text[n - 2] == '\n' || text[n - 3] == '\n'))
            return;
    }
}

static void answer(int client, const char *token) {
    struct names names;
    CALL3(UNAME, &names, 0, 0);
    read_request(client);
    say(client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n");
    say(client, names.nodename);
    say(client, " "), say(client, token), say(client, "\n");
}

static void serve(size port, const char *token) {
    struct ipv4 any = { AF_INET, (unsigned short)(port >> 8 | port << 8), { 0 }, { 0 } };
    int listener = CALL3(SOCKET, AF_INET, STREAM, 0), yes = 1;
    call(SETSOCKOPT, listener, SOL_SOCKET, REUSEADDR, (long)&yes, sizeof yes, 0);
    if (CALL3(BIND, listener, &any, sizeof any) < 0 || CALL3(LISTEN, listener, 64, 0) < 0)
        fail(1, "cannot listen on that port");
    for (;;) {
        int client = CALL3(ACCEPT, listener, 0, 0);
        time_out(client, 5);
        answer(client, token);
        CALL3(CLOSE, client, 0, 0);
    }
}

static int is_address(const char *text, u8 address[4]) {
    for (int part = 0; part < 4; part++) {
        size value = 0, digits = 0;
        for (; *text >= '0' && *text <= '9' && digits < 4; text++, digits++)
            value = value * 10 + (*text - '0');
        if (!digits || value > 255 || (part < 3 && *text++ != '.'))
            return 0;
        address[part] = (u8)value;
    }
    return 1;
}

static int find_server(const char *text, u8 address[4]) {
    for (char last = '\n'; *text; last = *text++) {
        const char *server = last == '\n' ? after(text, "nameserver ") : 0;
        if (server && is_address(server, address))
            return 1;
    }
    return 0;
}

static size write_question(u8 *packet, const char *name) {
    static const u8 head[12] = { 0x70, 0x76, 1, 0, 0, 1 }, tail[5] = { 0, 0, 1, 0, 1 };
    size n = 0, label;
    for (; n < sizeof head; n++)
        packet[n] = head[n];
    for (label = n++; *name; name++) {
        if (*name == '.')
            label = n++;
        else
            packet[n++] = (u8)*name;
        packet[label] = (u8)(n - label - 1);
    }
    for (size i = 0; i < sizeof tail; i++)
        packet[n++] = tail[i];
    return n;
}

static size skip_name(const u8 *packet, size at, size n) {
    while (at < n && packet[at] && packet[at] < 0xc0)
        at += packet[at] + 1;
    return at < n && packet[at] ? at + 2 : at + 1;
}

/* Write the first A record after the question; give 1 when there is one. */
static int say_address(const u8 *packet, size n, size at) {
    for (int left = packet[6] << 8 | packet[7]; left > 0; left--) {
        at = skip_name(packet, at, n) + 10;
        size bytes = at <= n ? (size)(packet[at - 2] << 8 | packet[at - 1]) : n;
        if (at + bytes > n)
            return 0;
        int is_a = packet[at - 10] == 0 && packet[at - 9] == 1 && bytes == 4;
        for (int i = 0; is_a && i < 4; i++)
            say_number(1, packet[at + i]), say(1, i < 3 ? "." : "\n");
        if (is_a)
            return 1;
        at += bytes;
    }
    return 0;
}

static void resolve(const char *name) {
    char text[4096];
    u8 packet[600], reply[600];
    struct ipv4 server = { AF_INET, 53 << 8, { 0 }, { 0 } };
    if (length(name) > 253)
        fail(64, "a name has at most 253 characters");
    long n = CALL3(READ, call(OPENAT, -100, (long)"/etc/resolv.conf", 0, 0, 0, 0), text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    if (!find_server(text, server.address))
        fail(1, "no IPv4 nameserver in /etc/resolv.conf");
    int socket = CALL3(SOCKET, AF_INET, DATAGRAM, 0);
    time_out(socket, 5);
    size asked = write_question(packet, name);
    CALL3(CONNECT, socket, &server, sizeof server);
    CALL3(WRITE, socket, packet, asked);
    n = CALL3(READ, socket, reply, sizeof reply);
    if (n < 12)
        fail(1, "the nameserver does not answer");
    if (reply[0] != packet[0] || reply[1] != packet[1] || (reply[3] & 15) || !say_address(reply, n, asked))
        fail(1, "the nameserver knows no address for this name");
}

/* Touch each page of at least 4 KiB, so that the memory is really used. */
static void eat(size megabytes) {
    size bytes = megabytes << 20;
    long at = call(MMAP, 0, bytes, 3, 0x22, -1, 0);
    if (at < 0 && at > -4096)
        fail(1, "no memory");
    for (size i = 0; i < bytes; i += 4096)
        ((volatile u8 *)at)[i] = 1;
    say_number(1, megabytes), say(1, " MB eaten\n");
}

static void spin(long seconds) {
    struct time first, now;
    for (CALL3(CLOCK, 1, &first, 0), now = first; now.seconds - first.seconds < seconds;)
        CALL3(CLOCK, 1, &now, 0);
}

static void print(char **words) {
    for (; *words; words++)
        say(1, *words), say(1, words[1] ? " " : "");
    say(1, "\n");
}

static void one_argument(const char *verb, const char *value) {
    struct time pause = { 0, 0 };
    if (same(verb, "resolve"))
        resolve(value);
    else if (same(verb, "eat"))
        eat(number(value));
    else if (same(verb, "spin"))
        spin((long)number(value));
    else if (same(verb, "exit"))
        leave((int)number(value));
    else if (same(verb, "sleep"))
        pause.seconds = (long)number(value), CALL3(NANOSLEEP, &pause, 0, 0);
    else
        fail(64, USAGE);
}

__attribute__((noreturn, used)) void start(long *stack) {
    char **words = (char **)(stack + 1);
    long count = stack[0];
    end_on(15);
    end_on(2);
    if (count >= 2 && same(words[1], "print"))
        print(words + 2);
    else if (count == 4 && same(words[1], "serve"))
        serve(number(words[2]), words[3]);
    else
        one_argument(count == 3 ? words[1] : "", words[2]);
    leave(0);
}
