"""Who has words for what: the one table says it, and the speakers are as it says."""

import inspect

import pytest

from tests.api.stories.refusals import SAID
from tests.api.stories.speaker import NO_WORDS, Speaker, Verb
from tests.api.stories.stage import SPEAKERS


@pytest.mark.parametrize("speaker", SPEAKERS, ids=[speaker.name for speaker in SPEAKERS])
def test_a_speaker_says_everything_but_what_its_generation_has_no_words_for(speaker: type[Speaker]) -> None:
    said = {verb for verb in Verb if getattr(speaker, verb.value) is not getattr(Speaker, verb.value)}

    assert set(Verb) - said == NO_WORDS[speaker.name]


def test_every_verb_is_said_by_somebody() -> None:
    assert {speaker.name for speaker in SPEAKERS} == set(NO_WORDS)
    assert frozenset.intersection(*NO_WORDS.values()) == frozenset()


def test_every_verb_is_a_method_and_every_method_a_verb() -> None:
    methods = {name for name, _ in inspect.getmembers(Speaker, inspect.iscoroutinefunction)}

    assert methods - {"revoke"} == {verb.value for verb in Verb}


def test_every_reason_to_refuse_is_told_in_known_words() -> None:
    generations = {speaker.generation for speaker in SPEAKERS}

    assert all(set(words) <= generations for words in SAID.values())
