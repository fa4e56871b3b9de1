"""Makers of the reference study's claims, by what they are about; `clt_ray.analysis.claims` lists them."""
