"""Judges saved runs again and compares: did a change of the kit alter a judgement?"""
