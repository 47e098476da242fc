from slots.cli import main


def test_busy_and_free(capsys):
    assert main(["08:00-18:00", "10:30-11:00", "09:00-10:30", "14:00-15:00"]) == 0
    assert capsys.readouterr().out == (
        "busy 09:00-11:00, 14:00-15:00\n"
        "free 08:00-09:00, 11:00-14:00, 15:00-18:00\n"
    )


def test_nothing_booked(capsys):
    assert main(["08:00-18:00"]) == 0
    assert capsys.readouterr().out == "busy none\nfree 08:00-18:00\n"
