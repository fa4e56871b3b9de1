"""Ratings of instruction-following answers by a judge model behind any OpenAI-compatible endpoint.

    protocol.py   question and answer -> the messages a judge is sent
    rating.py     the judge's reply -> a rating from 1 to 5, or why there is none
    endpoint.py   where the judge is, from the environment
    client.py     one request, with its pace and its repetitions
    cache.py      replies by content, so that nothing is asked twice
    judging.py    many requests at once
    verdicts.py   replies -> ratings and scores
    record.py     what a run directory keeps of a judge
    work.py       all of that for a run: what is known, what to send, what to keep

A judge never takes part in training and never in the identity of a run.
"""
