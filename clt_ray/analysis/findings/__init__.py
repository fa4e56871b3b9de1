"""The reference study's findings as claims, grouped by subject; `clt_ray.analysis.claims` collects them."""
