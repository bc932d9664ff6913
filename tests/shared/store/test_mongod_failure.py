import pytest

from shared.store.mongod_failure import explain_log, explain_missing, missing_libraries

TRACE = """
\tlinux-vdso.so.1 (0x00007fb68c137000)
\tlibcurl.so.4 => not found
\tliblzma.so.5 => /lib/x86_64-linux-gnu/liblzma.so.5 (0x00007fb68c047000)
\tlibssl.so.3 => not found
\tlibcrypto.so.3 => not found
"""


def test_all_missing_libraries_are_named_with_their_packages():
    libraries = missing_libraries(TRACE)
    assert libraries == ("libcurl.so.4", "libssl.so.3", "libcrypto.so.3")
    assert "apt-get install libcurl4 libssl3," in explain_missing(libraries)


def test_a_library_of_no_known_package_is_still_named():
    assert explain_missing(("libodd.so.1",)) == (
        "mongod needs libodd.so.1: install them, or set MONGODB_URI"
    )


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ('{"msg":"x","attr":{"error":"Address already in use"}}', "port 7 on 127.0.0.1 is taken"),
        ('{"msg":"28: No space left on device"}', "the disk under /d is full"),
        ('{"s":"E","attr":{"error":"DBPathInUse: Unable to lock"}}', "another mongod holds"),
        ('{"attr":{"error":"Permission denied"}}', "mongod may not write in /d"),
        ('{"s":"F","msg":"unsupported WiredTiger file version: incompatible"}', "another MongoDB"),
        ('{"s":"I","msg":"hello"}\n{"s":"F","msg":"Fatal assertion"}', "Fatal assertion"),
        ("not json\n[1]", "it gave no reason"),
    ],
)
def test_each_reason_is_one_line(log, line):
    explained = explain_log(log, "/d", 7)
    assert line in explained
    assert "\n" not in explained
