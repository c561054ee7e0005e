"""Contacts in CSV files as people have them: headers, delimiters, line ends, and what is wrong."""

import io
import tracemalloc

import pytest

from crm.contact_file import BadRow, FileRow, NotAContactFile, read


def rows(text: str | bytes) -> list[FileRow | BadRow]:
    return list(read(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


EVA = FileRow(2, "Eva Novák", ("eva@globex.test",), "Globex")

FILES = {
    "plain": "name,email,company\nEva Novák,eva@globex.test,Globex\n",
    "any order and case": "COMPANY,Email Address,Name\nGlobex,EVA@Globex.test,Eva Novák\n",
    "Excel": "\ufeffName;E-Mail;Company\r\nEva Novák;eva@globex.test;Globex\r\n",
    "tabs": "name\temail\tcompany\nEva Novák\teva@globex.test\tGlobex",
    "pipes": "name|email|company\nEva Novák|eva@globex.test|Globex",
    "quotes": '"Name","E-mail","Company"\n"Eva Novák","eva@globex.test","Globex"\n',
    "old line ends": "name,email,company\rEva Novák,eva@globex.test,Globex\r",
    "other columns": "id,name,postal address,email,company\n7,Eva Novák,Road 1,eva@globex.test,Globex",
    "spaces": " name , email , company \n Eva  Novák ,  eva@globex.test , Globex \n",
    "a comma in a header of semicolons": "Company, legal;Name;E-mail;Company\n"
    "x;Eva Novák;eva@globex.test;Globex",
    "empty lines and rows": "name,email,company\nEva Novák,eva@globex.test,Globex\n\n,,\n",
    "the same address twice": "name,email,email2,company\n"
    "Eva Novák,eva@globex.test,EVA@globex.test,Globex",
}


@pytest.mark.parametrize("name", FILES)
def test_one_contact_in_many_dresses(name):
    assert rows(FILES[name]) == [EVA]


@pytest.mark.parametrize(
    "text",
    [
        "email,email2\na@b.test,c@b.test",
        "E-mail 1,E-mail 2\na@b.test,c@b.test",
        "email\na@b.test; c@b.test",
        'email\n"a@b.test, c@b.test"',
        'email;name\n"a@b.test;c@b.test;";',
    ],
)
def test_several_addresses(text):
    [row] = rows(text)
    assert isinstance(row, FileRow)
    assert row.addresses == ("a@b.test", "c@b.test")


def test_a_short_row_is_a_row():
    assert rows("email,name,company\na@b.test") == [FileRow(2, "", ("a@b.test",), "")]


def test_lines_are_counted_over_line_ends_inside_quotes():
    text = 'name,email\n"Eva\nNovák",a@b.test\nx,none\n'
    assert rows(text) == [
        FileRow(2, "Eva Novák", ("a@b.test",), ""),
        BadRow(4, "'none' is no e-mail address"),
    ]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Eva,", "no e-mail address"),
        ("Eva,eva", "'eva' is no e-mail address"),
        ("Eva,a@b.test;eva", "'eva' is no e-mail address"),
        ("Eva,a@b.test,x", "more cells than the header has columns"),
        (f"{'x' * 301},a@b.test", "a name has more than 300 characters"),
        ('"Eva"x,a@b.test', "',' expected after '\"' (read up to line 2)"),
        (f"{'x' * 140_000},a@b.test", "field larger than field limit (131072) (read up to line 2)"),
    ],
)
def test_a_bad_row_says_why_and_the_next_one_is_read(row, reason):
    assert rows(f"name,email\n{row}\nLea,lea@b.test\n") == [
        BadRow(2, reason),
        FileRow(3, "Lea", ("lea@b.test",), ""),
    ]


def test_a_quote_that_is_never_closed_is_a_bad_row():
    [bad] = rows('name,email\n"Eva,a@b.test\nLea,lea@b.test\n')
    assert bad == BadRow(2, "unexpected end of data (read up to line 3)")


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"name,phone\nEva,1\n", "the first line names no column `email`"),
        ("name,email\nEva,e@b.test\nNovák,n@b.test".encode("latin-1"), "line 3 is not UTF-8"),
        ("name,email\nEva,e@b.test\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b"name,email\nEv\x00a,e@b.test\n", "line 2 holds a NUL character"),
    ],
)
def test_what_cannot_be_read_says_why(file, reason):
    with pytest.raises(NotAContactFile, match=reason):
        rows(file)


def test_a_large_file_is_not_held_in_memory():
    lines = (b"name,email\n" if at == 0 else b"x,a%d@b.test\n" % at for at in range(5_001))
    tracemalloc.start()
    number = sum(1 for _ in read(lines))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert number == 5_000
    assert peak < 500_000
