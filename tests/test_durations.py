import pytest

from ssdgm_tf import durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("3h", 10800), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("0.5h", 1800), (" 1h1m1s ", 3661)]
)
def test_times_are_read(text, seconds):
    assert durations.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "h", "30m1h", "-1h", "3 hours", "0s", "1h 30m", "nan"])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match=r"written as 3h, 90m, 1h30m or 45s, and be more than 0\. Received: "):
        durations.parse(text)


@pytest.mark.parametrize("seconds", [1, 59, 60, 3600, 3661, 5400, 86_400])
def test_words_are_read_back(seconds):
    assert durations.parse(durations.in_words(seconds)) == seconds


def test_no_time_has_words_too():
    assert durations.in_words(0.2) == "0s"
