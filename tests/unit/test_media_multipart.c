#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "services/multipart.h"
#include "tests/unit/unit.h"

static int file_with(const char *text) {
    FILE *f = tmpfile();
    assert_non_null(f);
    fputs(text, f);
    fflush(f);
    int fd = dup(fileno(f));
    fclose(f);
    return fd;
}

static char body[4096];

static const char *whole(struct multipart *m, size_t piece) {
    size_t at = 0, n;
    multipart_rewind(m);
    while ((n = multipart_read(m, body + at, piece)) > 0)
        at += n;
    body[at] = 0;
    return body;
}

static void it_is_the_same_in_pieces_of_any_size(void **state) {
    struct multipart m;
    char expected[1000];
    int fd = file_with("Hello, file!");
    multipart_init(&m);
    multipart_field(&m, "purpose", "vision");
    multipart_file(&m, "file", "a \"b\"\r\nc.png", "image/png", fd, 12);
    snprintf(expected, sizeof expected,
             "--%s\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nvision\r\n"
             "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a %%22b%%22%%0D%%0Ac.png\"\r\nContent-Type: image/png\r\n\r\n"
             "Hello, file!\r\n--%s--\r\n", m.boundary, m.boundary, m.boundary);
    assert_int_equal(multipart_length(&m), strlen(expected));
    for (size_t piece = 1; piece < 400; piece++)
        assert_string_equal(whole(&m, piece), expected);
    assert_non_null(strstr(m.type, m.boundary));
    multipart_done(&m);
    close(fd);
}

static void a_file_that_shrank_ends_the_body_early(void **state) {
    struct multipart m;
    int fd = file_with("short");
    multipart_init(&m);
    multipart_file(&m, "file", "a", "text/plain", fd, 500);
    whole(&m, 100);
    assert_string_equal(body + strlen(body) - 5, "short");
    multipart_done(&m);
    close(fd);
}

static void boundaries_differ(void **state) {
    struct multipart a, b;
    multipart_init(&a);
    multipart_init(&b);
    assert_string_not_equal(a.boundary, b.boundary);
    multipart_done(&a);
    multipart_done(&b);
    multipart_done(&(struct multipart){0});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_same_in_pieces_of_any_size),
        cmocka_unit_test(a_file_that_shrank_ends_the_body_early),
        cmocka_unit_test(boundaries_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
