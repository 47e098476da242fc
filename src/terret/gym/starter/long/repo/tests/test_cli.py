from pennybook.cli import main


def test_report(tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text("2026-03-02 12.40 Food market\n2026-03-09 640 housing rent\n")
    assert main(["report", str(book)]) == 0
    assert capsys.readouterr().out == "housing                    640.00\nfood                        12.40\n"


def test_a_bad_book(tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text("2026-03-02 1\n")
    assert main(["report", str(book)]) == 2
    assert "line 1" in capsys.readouterr().err
