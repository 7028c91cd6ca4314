"""Series: many films, or one long film, on many workers of this computer or of a Ray cluster.

`jobs` (a file of jobs, read and checked), `tasks` (what a worker is asked for), `worker` (who does it), `parts` (a film cut by frame range,
and joined), `engine` and `ray_engine` (where workers run), `schedule` (which task comes next), `manifest` (what is done already), `report`
(what is shown) and `batch` (all together).
"""
