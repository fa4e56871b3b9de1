"""Ratings of instruction-following answers by a judge model behind any OpenAI-compatible endpoint.

    protocol.py   the prompt: question and answer -> messages
    rating.py     the judge's reply -> a rating from 1 to 5, or the reason why there is none
    endpoint.py   address, model and key of the judge, from the environment
    client.py     one request with its retries, and the rate limit that all requests share
    cache.py      replies by the content of the request, so that nothing is asked twice
    requests.py   many concurrent requests
    verdicts.py   replies -> ratings and scores
    record.py     files of the run directory that hold the ratings
    judge.py      judges a whole run with all of the above

A judge is part neither of training nor of the identity of a run.
"""
