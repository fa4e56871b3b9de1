"""Ratings of instruction-following answers by a judge model behind any OpenAI-compatible endpoint.

    protocol.py   the prompt, and the rating or the reason why there is none in the judge's reply
    endpoint.py   address, model and key of the judge, from the environment
    client.py     one request with its retries, and the rate limit that all requests share
    replies.py    many concurrent requests, and replies by the content of the request, so that nothing is asked twice
    record.py     replies -> ratings and scores, and the files of the run directory that hold them
    judge.py      judges a whole run with all of the above

A judge is part neither of training nor of the identity of a run.
"""
