from timelog.cli import main


def test_report(tmp_path, capsys):
    log = tmp_path / "log"
    log.write_text("# week\n\n2026-03-02T09:00Z 2026-03-02T10:30Z web site\n")
    assert main([str(log)]) == 0
    assert capsys.readouterr().out == "    1:30  web site\n    1:30  total\n"


def test_unusable_lines_name_their_number(tmp_path, capsys):
    log = tmp_path / "log"
    for line, message in [
        ("2026-03-02T09:00Z", "line 2: expected start, end and project"),
        ("2026-03-02T09:00Z 2026-03-02T08:00Z x", "line 2: the end is before the start"),
        ("2026-03-02T09:00Z later x", "line 2: "),
    ]:
        log.write_text(f"# week\n{line}\n")
        assert main([str(log)]) == 1
        assert f"{log}: {message}" in capsys.readouterr().err
