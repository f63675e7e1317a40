"""The laboratory: experiments on a folder of music, from cleaning to an honest report.

Data flows one way: `datasets` reads a folder by its layout, `extraction` cleans it and measures
every clip once, `splits` keeps artists apart, `classifiers` and `training` learn, `retrieval`
compares, and `report` writes what came of it.
"""
