"""Tables as people save them: the line of names, units and hints, and what a column holds, wherever in the file it shows."""

import datetime as dt

import pytest
from tests.tables import decimals, has_names, lines, opened


def numbered(i, k):
    return ",".join(str((7 * i + 5 * j * j + 3) % 11) for j in range(k))


WAVES = [str(w) for w in range(900, 940, 2)]
NAMES = {
    # what is in the file: the names, the first row, the number of rows
    "spectra without any word": (
        lines(",".join(WAVES), row=lambda i: decimals(20)), WAVES, None, 12),
    "uneven wavelengths": (
        lines("sample,400.5,401.7,403.1,404.2,406.9,408", row=lambda i: f"s{i}," + decimals(6)),
        ["sample", "400.5", "401.7", "403.1", "404.2", "406.9", "408"], None, 12),
    "columns by number": (
        lines("0,1,2,3,4", row=lambda i: numbered(i, 5)), list("01234"), None, 12),
    "columns by number beside the rows": (
        lines(",0,1", row=lambda i: f"{i},{decimals(2)}"), ["0", "1"], None, 12),
    "two years": (
        lines("country,2019,2020", row=lambda i: f"land {i},{i + 0.5},{i + 0.7}"),
        ["country", "2019", "2020"], ["land 0", 0.5, 0.7], 12),
    "years and a code": (
        lines("Country Name,Code,1990,1991,1992", row=lambda i: f"land {i},L{i:02d}," + numbered(i, 3)),
        ["Country Name", "Code", "1990", "1991", "1992"], None, 12),
    "days as in the USA": (
        lines("Province,Lat,1/22/20,1/23/20", row=lambda i: f"p{i},{i / 4},{i},{2 * i}"),
        ["Province", "Lat", "1/22/20", "1/23/20"], ["p0", 0, 0, 0], 12),
    "years in two ways": (
        lines("land,1990 [YR1990],1991 [YR1991]", row=lambda i: f"l{i},{i + 0.5},{i}"),
        ["land", "1990 [YR1990]", "1991 [YR1991]"], None, 12),
    "quarters": (
        lines("firm,2020Q1,2020Q2", row=lambda i: f"f{i},{i},{i + 1}"), ["firm", "2020Q1", "2020Q2"], None, 12),
    "a repeated name": (
        lines("x,x,y", row=lambda i: f"{i},{2 * i},{3 * i}"), ["x", "x (2)", "y"], [0, 0, 0], 12),
    "an empty name": (
        lines("x,,y", row=lambda i: f"{i},{2 * i},{3 * i}"), ["x", "column 2", "y"], [0, 0, 0], 12),
    "NA is a name": (
        lines("EU,NA,AS", row=lambda i: f"{i},{2 * i},{3 * i}"), ["EU", "NA", "AS"], [0, 0, 0], 12),
    "a number is a name": (
        lines("id,7,x", row=lambda i: f"{i},{i % 3},{i / 2}"), ["id", "7", "x"], [0, 0, 0.0], 12),
    "repeated names above words": (
        lines("id,tag,tag", row=lambda i: f"r{i},{'ab'[i % 2]},{'cd'[i % 2]}"), ["id", "tag", "tag (2)"], ["r0", "a", "c"], 12),
    "true above truths is a row": (
        lines(row=lambda i: f"{'true' if i % 3 else 'false'},{i}"), ["column 1", "column 2"], [False, 0], 12),
    "no names, and flowers": (
        "5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n6.3,3.3,6.0,2.5,virginica\n" * 9,
        [f"column {i + 1}" for i in range(5)], [5.1, 3.5, 1.4, 0.2, "setosa"], 27),
    "no names, and a missing cell": (
        lines("n.d.,3.5,1.25", row=lambda i: f"{i}.5,{i}.25,{i}"), ["column 1", "column 2", "column 3"], None, 13),
    "no names, and towns by size": (
        "Tokyo,37000\nDelhi,28514\nShanghai,25582\nCairo,20076\nMumbai,19980\nBeijing,19618\n",
        ["column 1", "column 2"], ["Tokyo", 37000], 6),
    "a hint of Excel with another mark": (
        lines("sep=,", "a,b", row=lambda i: f"{i},{i / 2}"), ["a", "b"], [0, 0.0], 12),
    "a hint of Excel, quoted, and a tab": (
        lines('"sep=\t"', "a\tb", row=lambda i: f"{i}\t{i / 2}"), ["a", "b"], [0, 0.0], 12),
    "a hint and no names": (
        lines("SEP=;", row=lambda i: f"{i};{i},5"), ["column 1", "column 2"], [0, 0.5], 12),
    "a hint that is wrong": (
        lines("sep=;", "a,b", row=lambda i: f"{i},{i / 2}"), ["a", "b"], [0, 0.0], 12),
    "two marks of the order of bytes": (
        lines("\ufeff\ufeffa,b", row=lambda i: f"{i},{i / 2}"), ["a", "b"], [0, 0.0], 12),
    "comments": (
        lines("# made by someone, in a hurry", '# it\'s "open', "#", "a,b", row=lambda i: f"{i},{i / 2}"),
        ["a", "b"], [0, 0.0], 12),
    "comments, the last with the names": (
        lines("# made by someone", "# a,b", row=lambda i: f"{i},{i / 2}"), ["a", "b"], [0, 0.0], 12),
    "a name that is a comment's mark": (
        lines("#,Name,HP", row=lambda i: f"{i + 1},n{i},{45 + i}"), ["#", "Name", "HP"], [1, "n0", 45], 12),
    "cells that are a comment's mark": (
        lines("colour,n", row=lambda i: f"#{i:06x},{i}"), ["colour", "n"], ["#000000", 0], 12),
    "units in brackets": (
        lines("time,temp", "[s],[degC]", row=lambda i: f"{i},{i + 0.5}"), ["time", "temp"], [0, 0.5], 12),
    "units in a long table": (
        lines("time,temp", "s,°C", n=500, row=lambda i: f"{i},{i + 0.5}"), ["time", "temp"], [0, 0.5], 500),
    "units and a way of summing": (
        lines("TOA5,station,7", "TIMESTAMP,RECORD,Temp,Wind", "TS,RN,degC,m/s", ",,Avg,Max", n=5,
              row=lambda i: f"2020-01-01 00:0{i}:00,{i},{i}.5,{i}.25"),
        ["TIMESTAMP", "RECORD", "Temp", "Wind"], [dt.datetime(2020, 1, 1), 0, 0.5, 0.25], 5),
    "types as Orange writes them": (
        lines("length\twidth\tiris", "c\tc\td", "\t\tclass", row=lambda i: f"{i}.5\t{i}.25\t{'uv'[i % 2]}"),
        ["length", "width", "iris"], [0.5, 0.25, "u"], 12),
    "units below names that are numbers": (
        lines("depth,10,20,30", "m,degC,degC,degC", row=lambda i: f"{i},{decimals(3)}"),
        ["depth", "10", "20", "30"], None, 12),
    "no units but a word": (
        lines("name,value", "Ann,absent", row=lambda i: f"n{i},{i}"), ["name", "value"], None, 13),
    "no units but lows and highs": (
        lines("u,v", "low,high", n=200, row=lambda i: f"{i},{i / 2}"), ["u", "v"], ["low", "high"], 201),
    "the names again, half-way": (
        "a,b\n" + lines("1,x", row=lambda i: f"{i},y") + lines("a,b", row=lambda i: f"{i},z"), ["a", "b"], [1, "x"], 25),
    "commas at the ends of rows": (
        lines("a,b,c", row=lambda i: f"{i},{i + 1},{i + 2},"), ["a", "b", "c"], [0, 1, 2], 12),
    "commas at the end of the names": (
        lines("a,b,c,", row=lambda i: f"{i},{i + 1},{i + 2}"), ["a", "b", "c"], [0, 1, 2], 12),
    "decimal commas cut no column": (
        lines("height;weight", row=lambda i: f"{i},5;{i},25"), ["height", "weight"], [0.5, 0.25], 12),
    "one column of decimal commas": (
        lines("height", row=lambda i: f"{i},5"), ["height"], [0.5], 12),
    "one column of places": (
        lines("place", row=lambda i: f"town {i}, land {i % 3}"), ["place"], ["town 0, land 0"], 12),
    "one column of sentences": (
        lines("text", row=lambda i: "well, " * (i % 4) + f"so it goes {i}"), ["text"], ["so it goes 0"], 12),
    "a title with commas above semicolons": (
        lines("Report, of 2020", "a;b", row=lambda i: f"{i},5;{i},25"), ["a", "b"], [0.5, 0.25], 12),
    "a title and no names": (
        lines("Report", row=lambda i: f"{i},{i * 2},{i * 3}"), ["column 1", "column 2", "column 3"], [0, 0, 0], 12),
    "single quotes": (
        lines("'name','note'", row=lambda i: f"'n{i}','well, {i}'"), ["name", "note"], ["n0", "well, 0"], 12),
}  # fmt: skip


@pytest.mark.parametrize("what", NAMES)
def test_the_line_of_names(tmp_path, what):
    text, *right = NAMES[what]
    has_names(opened(tmp_path, text).table, *right)


D, T = dt.date, dt.datetime
COLUMNS = {
    # the separator, the cells, the values, the form
    "thousands": (",", ['"1,234"', "950", '"12,345,678"'], [1234, 950, 12345678], "whole"),
    "thousands and a point": (",", ['"1,234.5"', "950", "-3.25"], [1234.5, 950, -3.25], "number"),
    "thousands of India": (",", ['"1,23,456"', '"12,34,567.5"'], [123456, 1234567.5], "number"),
    "thousands of Switzerland": (",", ["1'234.50", "950.25", "12’345.75"], [1234.5, 950.25, 12345.75], "number"),
    "thousands apart": (";", ["1 234,5", "12\u00a0345,25", "1\u202f234\u202f567"], [1234.5, 12345.25, 1234567], "number"),
    "points between thousands": (";", ["1.234.567", "2.500", "17"], [1234567, 2500, 17], "whole"),
    "a comma between quotes": (",", ['"1,5"', '"12,25"', "3"], [1.5, 12.25, 3], "number"),
    "a comma after nothing": (",", ['"0,125"', '"0,250"'], [0.125, 0.25], "number"),
    "thousands, tab, beside small ones": ("\t", ["1,234", "950", "12,500"], [1234, 950, 12500], "whole"),
    "three decimals, tab": ("\t", ["1,234", "9,505", "2,500"], [1.234, 9.505, 2.5], "number"),
    "both points and commas before decimals": (";", ["1,5", "2.5", "3,25"], [1.5, 2.5, 3.25], "number"),
    "percent": (",", ["12.5%", "3 %", "0"], [12.5, 3, 0], "number"),
    "dollars": (",", ["$1.50", '"$1,234.00"', "-$3.25", "($4.00)"], [1.5, 1234, -3.25, -4], "number"),
    "euros": (";", ["1,50 €", "1.234,00 €", "-3,25 €"], [1.5, 1234, -3.25], "number"),
    "euros in letters": (",", ["EUR 5", "EUR 7.5"], [5, 7.5], "number"),
    "two currencies": (",", ["$5", "€5", "$6", "€7"], ["$5", "€5", "$6", "€7"], "text"),
    "in brackets": (",", ["(5)", "7", "(2.5)"], [-5, 7, -2.5], "number"),
    "a minus sign of books": (",", ["−5", "7"], [-5, 7], "whole"),
    "names of three digits": (",", ["007", "123"], ["007", "123"], "text"),
    "addresses": (",", ["192.168.1.1", "10.0.0.1"], ["192.168.1.1", "10.0.0.1"], "text"),
    "versions": (",", ["1.2.3", "1.10.12"], ["1.2.3", "1.10.12"], "text"),
    "phones": (",", ["030 123 456", "089 123 456"], ["030 123 456", "089 123 456"], "text"),
    "eight digits": (",", ["20200131", "20191201"], [D(2020, 1, 31), D(2019, 12, 1)], "date"),
    "eight digits that are no days": (",", ["20200131", "20191399"], [20200131, 20191399], "whole"),
    "fourteen digits": (",", ["20200131235958", "20191201000000"], [T(2020, 1, 31, 23, 59, 58), T(2019, 12, 1)], "clock"),
    "names of months": (
        ",", ["3 Jan 2020", "14-Feb-2021", "1 March 2020"], [D(2020, 1, 3), D(2021, 2, 14), D(2020, 3, 1)], "date"),
    "months first": (",", ['"Jan 3, 2020"', '"March 14th, 2021"'], [D(2020, 1, 3), D(2021, 3, 14)], "date"),
    "months of others": (
        ";", ["3. März 2020", "4 août 2021", "5 ene 2022"], [D(2020, 3, 3), D(2021, 8, 4), D(2022, 1, 5)], "date"),
    "months alone": (",", ["1949-01", "1949-02", "1949-12"], [D(1949, 1, 1), D(1949, 2, 1), D(1949, 12, 1)], "date"),
    "seasons": (",", ["2009-10", "2010-11", "2011-12"], ["2009-10", "2010-11", "2011-12"], "text"),
    "two digits of years": (",", ["1/22/20", "12/31/99"], [D(2020, 1, 22), D(1999, 12, 31)], "date"),
    "two digits, days first": (";", ["22.01.20", "03.04.85"], [D(2020, 1, 22), D(1985, 4, 3)], "date"),
    "two digits, years first": (
        ",", ["85-12-31", "20-01-02", "99-03-04"], [D(1985, 12, 31), D(2020, 1, 2), D(1999, 3, 4)], "date"),
    "clocks of twelve hours": (
        ",", ["1/2/2020 3:04 PM", "1/22/2020 12:00:05 AM"], [T(2020, 1, 2, 15, 4), T(2020, 1, 22, 0, 0, 5)], "clock"),
    "parts of seconds": (",", ["2020-01-02 03:04:05.250", '"2020-01-02 03:04:06,5"'],
                         [T(2020, 1, 2, 3, 4, 5, 250000), T(2020, 1, 2, 3, 4, 6, 500000)], "clock"),
    "zones": (",", ["2020-01-02 03:04:05 +0200", "2020-01-02T03:04:05-05:30", "2020-01-02 03:04 UTC", "2020-01-02 03:04 EST"],
              [T(2020, 1, 2, 1, 4, 5), T(2020, 1, 2, 8, 34, 5), T(2020, 1, 2, 3, 4), T(2020, 1, 2, 8, 4)], "clock"),
    "as letters and tweets are dated": (",", ['"Fri, 03 Jan 2020 10:00:00 +0100"', "Mon Jan 06 10:00:00 +0000 2020"],
                                        [T(2020, 1, 3, 9), T(2020, 1, 6, 10)], "clock"),
    "half days, half months": (
        ",", ["3/4/2020", "4/3/2020", "15/3/2020"], [D(2020, 4, 3), D(2020, 3, 4), D(2020, 3, 15)], "date"),
    "words with a month": (",", ["May 12", "Mayor 2020"], ["May 12", "Mayor 2020"], "text"),
    "codes of lands": (",", ["DZ", "NA", "ZA"], ["DZ", "NA", "ZA"], "text"),
    "parts of the world": (",", ["EMEA", "NA", "APAC"], ["EMEA", "NA", "APAC"], "text"),
    "states of the USA": (",", ["NY", "NA", "TX"], ["NY", None, "TX"], "text"),
    "letters and what is missing": (",", ["M", "NA", "F"], ["M", None, "F"], "text"),
    "words and what is missing": (",", ["Grvl", "NA", "Pave"], ["Grvl", None, "Pave"], "text"),
    "numbers and what is missing": (",", ["1.5", "NA", "n/a", "2"], [1.5, None, None, 2], "number"),
}  # fmt: skip


@pytest.mark.parametrize("what", COLUMNS)
@pytest.mark.parametrize("before", ["", "empty", "more"])
def test_what_a_column_holds(tmp_path, what, before):
    """The same at the top of a file, below 5,000 rows without any, and between other cells of its kind."""
    separator, cells, values, form = COLUMNS[what]
    if what == "two currencies" and before == "more":
        pytest.skip("a few cells of another currency are odd ones")
    front = [""] * 5000 * (before == "empty") + [cells[-1]] * 5000 * (before == "more")
    said = [*front, *cells, *cells]
    text = separator.join(("n", "x")) + "\n" + "".join(f"r{i}{separator}{cell}\n" for i, cell in enumerate(said))
    table = opened(tmp_path, text).table
    got = [table.row(i)["x"] for i in range(len(front), len(said))]
    assert got == values * 2 and table.column("x").form == form
    assert not front or table.row(0)["x"] == (None if before == "empty" else values[-1])


LATE = {
    # the first cell, 5,000 times; what comes then, and all values after; the form of the column
    "decimal commas": (";", "0", "12,5", 0, 12.5, "number"),
    "codes": (",", "10115", "01067", "10115", "01067", "text"),
    "long names": (",", "5", "12345678901234567890", "5", "12345678901234567890", "text"),
    "words": (",", "5", "five", "5", "five", "text"),
    "words after truths": (",", "True", "perhaps", "True", "perhaps", "text"),
    "numbers after words": (",", "n.d.", "1.50", "n.d.", "1.50", "text"),
    "halves": (",", "5", "5.5", 5, 5.5, "number"),
    "thousands": (",", "5", '"1,005"', 5, 1005, "whole"),
    "dollars": (",", "0", "$5.50", 0, 5.5, "number"),
    "days first": (",", "3/4/2020", "25/12/2020", D(2020, 4, 3), D(2020, 12, 25), "date"),
    "clocks": (",", "2020-01-02", "2020-01-03 04:05", T(2020, 1, 2), T(2020, 1, 3, 4, 5), "clock"),
    "no days": (",", "20200102", "20209999", 20200102, 20209999, "whole"),
    "days among missing ones": (",", "-", "3 Jan 2020", None, D(2020, 1, 3), "date"),
}


@pytest.mark.parametrize("what", LATE)
@pytest.mark.parametrize("n", [4500, 300], ids=["many", "few"])
def test_a_column_widens(tmp_path, what, n):
    separator, first, then, early, late, form = LATE[what]
    cells = [first] * 5000 + [then] * n
    text = separator.join(("x", "n")) + "\n" + "".join(f"{cell}{separator}r{i}\n" for i, cell in enumerate(cells))
    column = opened(tmp_path, text).table.column("x")
    assert column.form == form and (column.cell(0), column.cell(5000), column.cell(5000 + n - 1)) == (early, late, late)


def test_a_few_odd_cells_are_kept_as_they_are(tmp_path):
    cells = [f"{i / 8}" for i in range(30_000)]
    cells[29_000], cells[20_001] = "<5", "off"
    column = opened(tmp_path, lines("x,n", n=30_000, row=lambda i: f"{cells[i]},r{i}")).table.column("x")
    assert column.form == "number" and column.odd == {29_000: "<5", 20_001: "off"} and column.cell(29_999) == 29_999 / 8


def test_other_columns_show_how_a_file_writes(tmp_path):
    text = lines("a;b;c;d", row=lambda i: f"{i},5;{i + 1}.234;{i + 1}/4/2020;{i + 13}/4/2020")
    assert list(opened(tmp_path, text).table.row(1).values()) == [1.5, 2234, D(2020, 4, 2), D(2020, 4, 14)]


def test_what_was_guessed_is_said(tmp_path):
    text = lines("sep=;", "# by hand", "time;cost;share", "[s];[€];[%]", n=6000,
                 row=lambda i: f"{i};{'0' if i < 5000 else '1,25 €'};{i % 50}%")  # fmt: skip
    said = opened(tmp_path, text).describe()
    for part in ("line sep=; left out", "a line of comments", "taken for units ([s], [€], [%])", "% left out in share",
                 "€ left out in cost", "decimal commas in cost", "cost judged by later rows"):  # fmt: skip
        assert part in said, (part, said)
    assert opened(tmp_path, lines("a,b", row=lambda i: f"{i},x{i}")).table.remarks() == ""


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings_beneath_it_all(tmp_path, encoding):
    text = lines("sep=;", "höhe;gewicht", row=lambda i: f"{i},5;{i}")
    table = opened(tmp_path, text, encoding=encoding).table
    assert table.names == ("höhe", "gewicht") and table.row(1) == {"höhe": 1.5, "gewicht": 1}


def test_a_sidecar_has_the_same_line_of_names(tmp_path):
    from headstart.data.readers import delimited

    path = tmp_path / "labels.csv"
    path.write_text("sep=;\n# by hand\nfile;2019;2020\n" + "".join(f"{i}.png;{i},5;{i},25\n" for i in range(9)))
    columns, _ = delimited.texts(path)
    assert list(columns) == ["file", "2019", "2020"] and columns["2019"][3] == "3,5"
