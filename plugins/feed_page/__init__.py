"""The page "Transaction patterns" in Airflow's UI: what is landed, applied, found and written of each feed.

Pages are rendered here; ``static/page.js`` fetches them again while a feed runs and changes what differs.
"""
