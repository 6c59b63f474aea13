(* Certificates of fact S5, d = 2: h = F_k^(1/q) on cone k, F_k a binary form of degree q with positive coefficients. On each piece
   the product of F_{k_i}(A_i v)^{P_i} is compared with rho F_k(v)^P coefficient by coefficient, for an upper or a lower bound. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith FMapPositive Bool Classical_Prop.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Sandwich IntegerFamily Cones BinaryForms.
Import ListNotations.
Open Scope R_scope.

Definition form_cone := (cone * list Z)%type.
Section M.
Variable m : model.
Hypothesis Hwf : well_formed m = true.
Hypothesis Hd2 : dim m = 2%nat.
Variable q : nat.   (* degree *)
Hypothesis Hq : (0 < q)%nat.

Definition dual_form (c : cone) (k : nat) (ws : list (list Z)) : list Z := map (fun w => dot (nth k (duals c) nil) w) ws.
Definition nonnegative (l : list Z) := forallb (fun x => (0 <=? x)%Z) l.
(* form of cone c along the vertices ws *)
Definition form_along (pc : form_cone) (ws : list (list Z)) : list Z := compose_form (snd pc) (dual_form (fst pc) 0 ws) (dual_form (fst pc) 1 ws).

Definition form_image (E : table form_cone) (es : list (list Z)) (bt : branch * target) : option (Z * list Z) :=
  match PositiveMap.find (fst (snd bt)) E with
  | None => None
  | Some pc => let ws := map (image (signed_rows (fst bt) (snd bt))) es in
      if nonnegative (dual_form (fst pc) 0 ws) && nonnegative (dual_form (fst pc) 1 ws)
      then Some ((scale (fst pc) * denominator (fst bt))%Z, form_along pc ws) else None
  end.
Fixpoint all_some {X} (l : list (option X)) : option (list X) :=
  match l with nil => Some nil | Some x :: l => match all_some l with Some r => Some (x :: r) | None => None end | None :: _ => None end.

(* up = false: lower bound certificate, up = true: upper bound *)
Definition form_leaf (up : bool) (E : table form_cone) (rn rd : Z) (pc : form_cone) (es : list (list Z)) (tr : list target) : bool :=
  (length tr =? count m)%nat &&
  match all_some (map (form_image E es) (combine (branches m) tr)) with
  | None => false
  | Some GG =>
      let lhs := scale_form (rd * (scale (fst pc)) ^ (Z.of_nat q * total_weight m)) (product_of_powers (branches m) (map snd GG)) in
      let rhs := scale_form (rn * (weighted_product (branches m) (map fst GG)) ^ (Z.of_nat q)) (pow_form (form_along pc es) (Z.to_nat (total_weight m))) in
      if up then coefficients_le lhs rhs else coefficients_le rhs lhs
  end.
Definition form_cone_ok (pc : form_cone) : bool :=
  cone_ok 2 (fst pc) && (length (snd pc) =? S q)%nat && forallb (fun a => (1 <=? a)%Z) (snd pc) &&
  forallb (fun g => (0 <? dot (nth 0 (duals (fst pc)) nil) g + dot (nth 1 (duals (fst pc)) nil) g)%Z) (generators (fst pc)).
Definition form_certificate := list (form_cone * tree (list target)).
Definition check_forms (up : bool) (rn rd : Z) (ce : form_certificate) : bool :=
  (0 <? rn)%Z && (0 <? rd)%Z && negb (length ce =? 0)%nat &&
  (let E := cone_table (map fst ce) in
   forallb (fun ct => form_cone_ok (fst ct) && tree_ok 2 (form_leaf up E rn rd (fst ct)) (generators (fst (fst ct))) (snd ct)) ce).

Definition form_log_ratio (rn rd : Z) : R := (ln (IZR rn) - ln (IZR rd)) / (INR q * IZR (total_weight m)).

Lemma all_some_spec {X} : forall (l : list (option X)) r x0, all_some l = Some r -> length r = length l /\ forall i, (i < length l)%nat -> nth i l None = Some (nth i r x0).
Proof.
  induction l as [|[x|] l IH]; intros r x0 H; simpl in H; try discriminate.
  - injection H as <-. split; auto. intros i Hi; simpl in Hi; lia.
  - destruct (all_some l) as [r'|] eqn:E; [|discriminate]. injection H as <-. destruct (IH r' x0 eq_refl) as [H1 H2]. split. simpl; lia.
    intros i Hi. destruct i; simpl; auto. apply H2. simpl in Hi; lia.
Qed.

Section Sound.
Variables (up : bool) (rn rd : Z) (ce : form_certificate).
Hypothesis Hck : check_forms up rn rd ce = true.

Lemma form_parts : (0 < rn)%Z /\ (0 < rd)%Z /\ ce <> nil /\
  forall ct, In ct ce -> form_cone_ok (fst ct) = true /\
    tree_ok 2 (form_leaf up (cone_table (map fst ce)) rn rd (fst ct)) (generators (fst (fst ct))) (snd ct) = true.
Proof.
  unfold check_forms in Hck. rewrite !andb_true_iff in Hck. destruct Hck as [[[H1 H2] H3] H4].
  apply Z.ltb_lt in H1, H2. split; auto. split; auto. split.
  - intros ->. discriminate.
  - intros ct Hct. rewrite forallb_forall in H4. specialize (H4 ct Hct). now apply andb_true_iff in H4.
Qed.
Lemma form_cone_facts pc : form_cone_ok pc = true -> cone_ok 2 (fst pc) = true /\ length (snd pc) = S q /\ forall a, In a (snd pc) -> (1 <= a)%Z.
Proof.
  unfold form_cone_ok. rewrite !andb_true_iff. intros [[[H1 H2] H3] _]. apply Nat.eqb_eq in H2. rewrite forallb_forall in H3.
  split; auto. split; auto. intros a Ha. apply Z.leb_le. auto.
Qed.

(* value of the form of a cone at a vector of that cone *)
Definition form_value (pc : form_cone) (v : vec) : R := eval_form (snd pc) (functional 2 (nth 0 (duals (fst pc)) nil) v) (functional 2 (nth 1 (duals (fst pc)) nil) v).
Definition root_value (v : vec) (y : R) : Prop :=
  exists ct sg, In ct ce /\ (sg = 1 \/ sg = -1) /\ in_dual 2 (fst (fst ct)) (fun k => sg * v k) /\
    0 < y /\ (y * IZR (scale (fst (fst ct)))) ^ q = form_value (fst ct) (fun k => sg * v k).

Lemma dual_bounds : exists G, 0 < G /\ forall ct, In ct ce -> forall v, Rabs (functional 2 (nth 0 (duals (fst (fst ct))) nil) v) + Rabs (functional 2 (nth 1 (duals (fst (fst ct))) nil) v) <= G * norm 2 v.
Proof.
  destruct (exists_bound ce (fun ct => rsum 2 (fun i => Rabs (IZR (nth i (nth 0 (duals (fst (fst ct))) nil) 0%Z))) + rsum 2 (fun i => Rabs (IZR (nth i (nth 1 (duals (fst (fst ct))) nil) 0%Z))))) as [G [HG H]].
  exists G. split; auto. intros ct Hct v.
  pose proof (functional_bound m (nth 0 (duals (fst (fst ct))) nil) v) as B0. pose proof (functional_bound m (nth 1 (duals (fst (fst ct))) nil) v) as B1. rewrite Hd2 in B0, B1.
  specialize (H ct Hct). pose proof (norm_nonneg 2 v). apply Rmult_le_compat_r with (r := norm 2 v) in H; auto. lra.
Qed.

Lemma root_value_upper : exists Mx, 0 < Mx /\ forall v y, root_value v y -> y <= Mx * norm 2 v.
Proof.
  destruct dual_bounds as [G [HG HGb]].
  destruct (exists_bound ce (fun ct => IZR (zsum (snd (fst ct))))) as [C [HC HCb]].
  exists ((C + 1) * G). split. apply Rmult_lt_0_compat; lra.
  intros v y [ct [sg [Hct [Hsg [Hdu [Hy Hyq]]]]]]. destruct form_parts as [_ [_ [_ Hall]]]. destruct (Hall ct Hct) as [Hpc _].
  destruct (form_cone_facts _ Hpc) as [Hc [Hlen Hco]]. destruct (cone_facts 2 _ Hc) as [_ [_ [_ [HD _]]]].
  assert (HD1 : 1 <= IZR (scale (fst (fst ct)))). { apply IZR_le. apply lt_IZR in HD. lia. }
  set (s := functional 2 (nth 0 (duals (fst (fst ct))) nil) (fun k => sg * v k)). set (t := functional 2 (nth 1 (duals (fst (fst ct))) nil) (fun k => sg * v k)).
  assert (Hs : 0 <= s) by (apply (Hdu 0%nat); lia). assert (Ht : 0 <= t) by (apply (Hdu 1%nat); lia).
  assert (Hst : s + t <= G * norm 2 v).
  { pose proof (HGb ct Hct v). unfold s, t. rewrite !functional_scal. destruct Hsg as [-> | ->].
    pose proof (Rle_abs (functional 2 (nth 0 (duals (fst (fst ct))) nil) v)). pose proof (Rle_abs (functional 2 (nth 1 (duals (fst (fst ct))) nil) v)). lra.
    pose proof (Rle_abs (- functional 2 (nth 0 (duals (fst (fst ct))) nil) v)). pose proof (Rle_abs (- functional 2 (nth 1 (duals (fst (fst ct))) nil) v)). rewrite !Rabs_Ropp in *. lra. }
  assert (Hle : (y * IZR (scale (fst (fst ct)))) ^ q <= ((C + 1) * (s + t)) ^ q).
  { rewrite Hyq. unfold form_value. fold s t. eapply Rle_trans. apply eval_le_sum; auto. intros a Ha; specialize (Hco a Ha); lia.
    rewrite Hlen. replace (S q - 1)%nat with q by lia. rewrite Rpow_mult_distr. apply Rmult_le_compat_r. apply pow_le; lra.
    specialize (HCb ct Hct). destruct q as [|q']; [lia|]. assert (1 <= (C + 1) ^ q') by (apply pow_R1_Rle; lra). simpl. nra. }
  assert (H1 : y * IZR (scale (fst (fst ct))) <= (C + 1) * (s + t)).
  { destruct (Rle_lt_dec (y * IZR (scale (fst (fst ct)))) ((C + 1) * (s + t))) as [|Hlt]; auto. exfalso.
    assert (((C + 1) * (s + t)) ^ q < (y * IZR (scale (fst (fst ct)))) ^ q); [|lra].
    clear - Hlt Hq Hs Ht HC. assert (H0 : 0 <= (C + 1) * (s + t)) by (apply Rmult_le_pos; lra).
    set (A := (C + 1) * (s + t)) in *. set (Bb := y * IZR (scale (fst (fst ct)))) in *. clearbody A Bb.
    induction q as [|n IH]; [lia|]. destruct n. simpl; lra.
    assert (A ^ S n < Bb ^ S n) by (apply IH; lia). assert (0 <= A ^ S n) by (apply pow_le; auto).
    change (A * A ^ S n < Bb * Bb ^ S n). nra. }
  assert (y <= y * IZR (scale (fst (fst ct)))) by nra.
  assert ((C + 1) * (s + t) <= (C + 1) * (G * norm 2 v)) by (apply Rmult_le_compat_l; lra). lra.
Qed.

Lemma pow_le_inv a b : 0 <= b -> a ^ q <= b ^ q -> a <= b.
Proof.
  intros Hb H. destruct (Rle_lt_dec a b) as [|Hlt]; auto. exfalso. assert (b ^ q < a ^ q); [|lra].
  clear - Hlt Hq Hb. induction q as [|n IH]; [lia|]. destruct n. simpl; lra.
  assert (b ^ S n < a ^ S n) by (apply IH; lia). assert (0 <= b ^ S n) by (apply pow_le; auto). change (b * b ^ S n < a * a ^ S n). nra.
Qed.

Lemma root_value_lower : exists mm, 0 < mm /\ forall v y, root_value v y -> mm * norm 2 v <= y.
Proof.
  destruct (exists_bound ce (fun ct => rsum 2 (fun l => rsum 2 (fun i => Rabs (IZR (nth i (nth l (generators (fst (fst ct))) nil) 0%Z)))))) as [G [HG HGb]].
  exists (/ (2 * G)). split. apply Rinv_0_lt_compat; lra.
  intros v y [ct [sg [Hct [Hsg [Hdu [Hy Hyq]]]]]]. destruct form_parts as [_ [_ [_ Hall]]]. destruct (Hall ct Hct) as [Hpc _].
  destruct (form_cone_facts _ Hpc) as [Hc [Hlen Hco]]. destruct (cone_facts 2 _ Hc) as [Hg [_ [_ [HD [_ HI]]]]].
  set (D := IZR (scale (fst (fst ct)))) in *.
  set (s := functional 2 (nth 0 (duals (fst (fst ct))) nil) (fun k => sg * v k)). set (t := functional 2 (nth 1 (duals (fst (fst ct))) nil) (fun k => sg * v k)).
  assert (Hs : 0 <= s) by (apply (Hdu 0%nat); lia). assert (Ht : 0 <= t) by (apply (Hdu 1%nat); lia).
  assert (H1 : (s + t) / 2 <= y * D).
  { apply pow_le_inv. apply Rmult_le_pos; lra. rewrite Hyq. unfold form_value. fold s t. pose proof (eval_ge_mean (snd (fst ct)) s t Hs Ht Hco) as HH.
    rewrite Hlen in HH. replace (S q - 1)%nat with q in HH by lia. apply HH. intros E0. rewrite E0 in Hlen. discriminate. }
  (* v = (s g0 + t g1)/D *)
  assert (Hvk : forall k, (k < 2)%nat -> sg * v k = (s * IZR (nth k (nth 0 (generators (fst (fst ct))) nil) 0%Z) + t * IZR (nth k (nth 1 (generators (fst (fst ct))) nil) 0%Z)) / D).
  { intros k Hk. assert (E1 : D * (sg * v k) = rsum 2 (fun j => (if Nat.eqb k j then D else 0) * (sg * v j))).
    { rewrite (rsum_ext 2 _ (fun j => (if Nat.eqb k j then 1 else 0) * (D * (sg * v j)))). now rewrite rsum_delta. intros j Hj; destruct (Nat.eqb k j); ring. }
    apply Rmult_eq_reg_l with D; [|lra]. rewrite E1.
    rewrite (rsum_ext 2 _ (fun j => rsum 2 (fun l => IZR (nth k (nth l (generators (fst (fst ct))) nil) 0%Z) * IZR (nth j (nth l (duals (fst (fst ct))) nil) 0%Z)) * (sg * v j))).
    2:{ intros j Hj. rewrite HI by auto. reflexivity. }
    unfold s, t, functional. cbn [rsum]. field. lra. }
  assert (Hvn : norm 2 v <= (s + t) * G / D).
  { eapply Rle_trans; [apply norm_le_sum|]. specialize (HGb ct Hct). cbn [rsum] in HGb |- *.
    assert (Habs : forall k, (k < 2)%nat -> Rabs (v k) <= (s * Rabs (IZR (nth k (nth 0 (generators (fst (fst ct))) nil) 0%Z)) + t * Rabs (IZR (nth k (nth 1 (generators (fst (fst ct))) nil) 0%Z))) / D).
    { intros k Hk. replace (Rabs (v k)) with (Rabs (sg * v k)).
      2:{ rewrite Rabs_mult. replace (Rabs sg) with 1. ring. destruct Hsg as [-> | ->]. now rewrite Rabs_R1. rewrite Rabs_left; lra. }
      rewrite Hvk by auto. unfold Rdiv. rewrite Rabs_mult, (Rabs_right (/ D)) by (apply Rle_ge; left; apply Rinv_0_lt_compat; auto).
      apply Rmult_le_compat_r. left; apply Rinv_0_lt_compat; auto. eapply Rle_trans; [apply Rabs_triang|]. rewrite !Rabs_mult, (Rabs_right s), (Rabs_right t) by lra. lra. }
    pose proof (Habs 0%nat ltac:(lia)) as A0. pose proof (Habs 1%nat ltac:(lia)) as A1.
    set (a := Rabs (IZR (nth 0 (nth 0 (generators (fst (fst ct))) nil) 0%Z))) in *. set (b := Rabs (IZR (nth 1 (nth 0 (generators (fst (fst ct))) nil) 0%Z))) in *.
    set (c := Rabs (IZR (nth 0 (nth 1 (generators (fst (fst ct))) nil) 0%Z))) in *. set (e := Rabs (IZR (nth 1 (nth 1 (generators (fst (fst ct))) nil) 0%Z))) in *.
    assert (0 <= a) by apply Rabs_pos. assert (0 <= b) by apply Rabs_pos. assert (0 <= c) by apply Rabs_pos. assert (0 <= e) by apply Rabs_pos.
    apply Rle_trans with ((s * (a + b) + t * (c + e)) / D). unfold Rdiv in *. lra.
    apply Rmult_le_compat_r. left; apply Rinv_0_lt_compat; auto.
    assert (s * (a + b) <= s * G) by (apply Rmult_le_compat_l; lra). assert (t * (c + e) <= t * G) by (apply Rmult_le_compat_l; lra). lra. }
  apply Rmult_le_reg_l with (2 * G); [lra|]. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra.
  eapply Rle_trans; [exact Hvn|]. apply Rmult_le_reg_r with D; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra.
  assert ((s + t) / 2 * (2 * G) <= y * D * (2 * G)) by (apply Rmult_le_compat_r; lra). lra.
Qed.

(* q-th root *)
Definition root (x : R) : R := exp (ln x / INR q).
Lemma root_pow x : 0 < x -> root x ^ q = x.
Proof.
  intros Hx. unfold root. assert (HqR : 0 < INR q) by (apply lt_0_INR; auto).
  rewrite <- (exp_ln x Hx) at 2. rewrite <- (exp_ln (exp (ln x / INR q) ^ q)) by (apply pow_lt, exp_pos).
  rewrite ln_pow_nat by apply exp_pos. rewrite ln_exp. f_equal. field. lra.
Qed.
Lemma eval_dual c k ws s t : length ws = 2%nat -> eval_form (dual_form c k ws) s t = s * IZR (dot (nth k (duals c) nil) (nth 0 ws nil)) + t * IZR (dot (nth k (duals c) nil) (nth 1 ws nil)).
Proof. destruct ws as [|w0 [|w1 [|]]]; try discriminate. intros _. simpl. ring. Qed.

(* common analysis of one step *)
Lemma step_data v y : root_value v y -> exists (ct : form_cone * tree (list target)) (Gs : list (Z * list Z)) (sg s t : R) (es : list (list Z)) (yi : nat -> R),
  let D := IZR (scale (fst (fst ct))) in let G0 := form_along (fst ct) es in
  In ct ce /\ 0 <= s /\ 0 <= t /\ 0 < D /\ length Gs = count m /\ 0 < y /\ (y * D) ^ q = eval_form G0 s t /\ length G0 = S q /\
  (forall i, (i < count m)%nat -> (0 < fst (nth i Gs (0%Z, nil)))%Z /\ length (snd (nth i Gs (0%Z, nil))) = S q /\ 0 <= eval_form (snd (nth i Gs (0%Z, nil))) s t /\
     (eval_form (snd (nth i Gs (0%Z, nil))) s t = 0 -> norm 2 (mulv 2 (step m i) v) = 0) /\
     (0 < eval_form (snd (nth i Gs (0%Z, nil))) s t -> root_value (mulv 2 (step m i) v) (yi i) /\ (yi i * IZR (fst (nth i Gs (0%Z, nil)))) ^ q = eval_form (snd (nth i Gs (0%Z, nil))) s t) /\
     (eval_form (snd (nth i Gs (0%Z, nil))) s t = 0 -> yi i = 0)) /\
  (if up then coefficients_le (scale_form (rd * (scale (fst (fst ct))) ^ (Z.of_nat q * total_weight m)) (product_of_powers (branches m) (map snd Gs))) (scale_form (rn * (weighted_product (branches m) (map fst Gs)) ^ (Z.of_nat q)) (pow_form G0 (Z.to_nat (total_weight m))))
   else coefficients_le (scale_form (rn * (weighted_product (branches m) (map fst Gs)) ^ (Z.of_nat q)) (pow_form G0 (Z.to_nat (total_weight m)))) (scale_form (rd * (scale (fst (fst ct))) ^ (Z.of_nat q * total_weight m)) (product_of_powers (branches m) (map snd Gs)))) = true.
Proof.
  intros [ct [sg [Hct [Hsg [Hdu [Hy Hyq]]]]]]. destruct form_parts as [Hrn [Hrd [_ Hall]]]. destruct (Hall ct Hct) as [Hpc Ht].
  destruct (form_cone_facts _ Hpc) as [Hc [Hlen Hco]]. destruct (cone_facts 2 _ Hc) as [Hg [[Hdl1 Hdl2] [_ [HD [_ HI]]]]].
  destruct (cone_spanned 2 _ _ Hc Hdu) as [s0 [Hs0 Hvs]].
  destruct (tree_sound 2 _ _ _ Ht Hg s0 Hs0) as [es [tr [c' [Hleaf [Hes [Hc' Hveq]]]]]].
  assert (Hv : vec_eq 2 (fun k => sg * v k) (lincomb 2 c' es)). { intros k Hk. rewrite (Hvs k Hk). apply Hveq; auto. }
  unfold form_leaf in Hleaf. apply andb_true_iff in Hleaf. destruct Hleaf as [Hlt Hleaf]. apply Nat.eqb_eq in Hlt.
  set (Ev := cone_table (map fst ce)) in *. set (z := combine (branches m) tr) in *.
  destruct (all_some (map (form_image Ev es) z)) as [Gs|] eqn:HO; [|discriminate].
  destruct (all_some_spec _ _ (0%Z, nil) HO) as [HGl HGn]. rewrite map_length in HGl, HGn.
  assert (Hz : length z = count m) by (unfold z; rewrite combine_length; unfold count in *; lia).
  set (t0 := (1%positive, true) : target).
  assert (Hznth : forall i, nth i z (no_branch, t0) = (nth i (branches m) no_branch, nth i tr t0)). { intros i. unfold z. apply combine_nth. unfold count in Hlt. lia. }
  assert (Hes2 : length es = 2%nat) by apply Hes.
  set (s := c' 0%nat) in *. set (t := c' 1%nat) in *.
  assert (Hs : 0 <= s) by (apply Hc'; lia). assert (Htt : 0 <= t) by (apply Hc'; lia).
  set (G0 := form_along (fst ct) es) in *.
  assert (HG0 : (y * IZR (scale (fst (fst ct)))) ^ q = eval_form G0 s t).
  { rewrite Hyq. unfold form_value, G0, form_along. rewrite eval_compose by (unfold dual_form; rewrite map_length; auto). rewrite !eval_dual by auto.
    f_equal; rewrite (functional_ext 2 _ _ _ Hv), functional_lincomb; [cbn [rsum]; fold s t; ring | apply Hdl2; lia | apply Hes | cbn [rsum]; fold s t; ring | apply Hdl2; lia | apply Hes]. }
  assert (HG0l : length G0 = S q).
  { unfold G0, form_along. rewrite compose_form_length; auto. intros E0; rewrite E0 in Hlen; discriminate. all: unfold dual_form; now rewrite map_length. }
  assert (Hbr : forall i, (i < count m)%nat -> exists ct', In ct' ce /\ PositiveMap.find (fst (nth i tr t0)) Ev = Some (fst ct') /\
     let ws := map (image (signed_rows (nth i (branches m) no_branch) (nth i tr t0))) es in
     nth i Gs (0%Z, nil) = ((scale (fst (fst ct')) * denominator (nth i (branches m) no_branch))%Z, form_along (fst ct') ws) /\
     nonnegative (dual_form (fst (fst ct')) 0 ws) = true /\ nonnegative (dual_form (fst (fst ct')) 1 ws) = true).
  { intros i Hi. specialize (HGn i ltac:(lia)). rewrite (nth_map _ _ _ (no_branch, t0)) in HGn by lia. rewrite Hznth in HGn.
    unfold form_image in HGn. cbn [fst snd] in HGn. destruct (PositiveMap.find (fst (nth i tr t0)) Ev) as [pc'|] eqn:Hf; [|discriminate].
    pose proof (cone_table_find _ _ _ Hf) as Hin1. apply in_map_iff in Hin1. destruct Hin1 as [ct' [<- Hct']].
    exists ct'. split; auto. split; auto. cbv zeta in HGn |- *.
    set (ws := map (image (signed_rows (nth i (branches m) no_branch) (nth i tr t0))) es) in *.
    destruct (nonnegative (dual_form (fst (fst ct')) 0 ws)); [|discriminate]. destruct (nonnegative (dual_form (fst (fst ct')) 1 ws)); [|discriminate].
    cbn [andb] in HGn. injection HGn as HGn. split; auto. }
  exists ct, Gs, sg, s, t, es, (fun i => let g := nth i Gs (0%Z, nil) in if Rle_dec (eval_form (snd g) s t) 0 then 0 else root (eval_form (snd g) s t) / IZR (fst g)).
  cbv zeta. fold G0. split; [exact Hct|]. split; [exact Hs|]. split; [exact Htt|]. split; [exact HD|]. split; [lia|].
  split; [exact Hy|]. split; [exact HG0|]. split; [exact HG0l|]. split; [| destruct up; exact Hleaf].
  intros i H. split; [|split].
  - destruct (Hbr i H) as [ct' [Hct' [_ [-> _]]]]. cbn [fst]. destruct (form_cone_facts _ (proj1 (Hall ct' Hct'))) as [Hc1 _].
    destruct (cone_facts 2 _ Hc1) as [_ [_ [_ [HD' _]]]]. apply lt_IZR in HD'. pose proof (proj1 (proj2 (branch_facts m Hwf _ (branch_in m i H)))). nia.
  - destruct (Hbr i H) as [ct' [Hct' [_ [-> _]]]]. cbn [snd]. destruct (form_cone_facts _ (proj1 (Hall ct' Hct'))) as [_ [Hl' _]].
    unfold form_along. rewrite compose_form_length; auto. intros E0; rewrite E0 in Hl'; discriminate. all: unfold dual_form; rewrite !map_length; auto.
  - (* the remaining facts *)
    destruct (Hbr i H) as [ct' [Hct' [Hf [HGi [Hn0 Hn1]]]]]. rewrite HGi. cbn [fst snd].
    destruct (form_cone_facts _ (proj1 (Hall ct' Hct'))) as [Hc1 [Hl' Hco']].
    destruct (cone_facts 2 _ Hc1) as [Hg' [[Hdl1' Hdl2'] [_ [HD' [_ HI']]]]].
    set (ws := map (image (signed_rows (nth i (branches m) no_branch) (nth i tr t0))) es) in *.
    assert (Hws : length ws = 2%nat) by (unfold ws; now rewrite map_length).
    unfold nonnegative in Hn0, Hn1. rewrite forallb_forall in Hn0, Hn1.
    assert (X0 : 0 <= eval_form (dual_form (fst (fst ct')) 0 ws) s t) by (apply eval_nonneg; auto; intros a Ha; apply Z.leb_le; auto).
    assert (Y0 : 0 <= eval_form (dual_form (fst (fst ct')) 1 ws) s t) by (apply eval_nonneg; auto; intros a Ha; apply Z.leb_le; auto).
    assert (HF : eval_form (form_along (fst ct') ws) s t = eval_form (snd (fst ct')) (eval_form (dual_form (fst (fst ct')) 0 ws) s t) (eval_form (dual_form (fst (fst ct')) 1 ws) s t)).
    { unfold form_along. apply eval_compose; unfold dual_form; rewrite map_length; auto. }
    assert (HF0 : 0 <= eval_form (form_along (fst ct') ws) s t). { rewrite HF. apply eval_nonneg; auto. intros a Ha. specialize (Hco' a Ha). lia. }
    set (bq' := IZR (denominator (nth i (branches m) no_branch))). assert (Hbq : 0 < bq') by (apply IZR_lt; apply (branch_facts m Hwf); apply branch_in; auto).
    set (sg' := sign_of (nth i tr t0) * sg).
    assert (Hsg' : sg' = 1 \/ sg' = -1). { unfold sg', sign_of. destruct (snd (nth i tr t0)); destruct Hsg as [-> | ->]; lra. }
    assert (Hfn : forall k, (k < 2)%nat -> functional 2 (nth k (duals (fst (fst ct'))) nil) (fun j => sg' * mulv 2 (step m i) v j) = / bq' * eval_form (dual_form (fst (fst ct')) k ws) s t).
    { intros k Hk. rewrite functional_scal. unfold sg'.
      pose proof (functional_image m Hwf i es c' sg v (nth i tr t0) (nth k (duals (fst (fst ct'))) nil) H) as HFI. rewrite Hd2 in HFI.
      rewrite HFI; auto. rewrite eval_dual by auto. cbn [rsum]. fold s t bq'. unfold ws. rewrite !(nth_map _ _ _ nil) by lia. field. lra. }
    assert (Hid : in_dual 2 (fst (fst ct')) (fun j => sg' * mulv 2 (step m i) v j)).
    { intros k Hk. rewrite Hfn by auto. apply Rmult_le_pos. left; apply Rinv_0_lt_compat; auto. destruct k as [|[|k]]; auto; lia. }
    assert (HFv : form_value (fst ct') (fun j => sg' * mulv 2 (step m i) v j) = (/ bq') ^ q * eval_form (form_along (fst ct') ws) s t).
    { unfold form_value. rewrite !Hfn by lia. rewrite eval_homogeneous, Hl', HF. replace (S q - 1)%nat with q by lia. reflexivity. }
    split; [exact HF0|]. split; [|split].
    + intros HF1. (* zero form => zero vector *)
      rewrite HF in HF1. pose proof (eval_ge_mean (snd (fst ct')) _ _ X0 Y0 Hco') as HH. rewrite Hl' in HH. replace (S q - 1)%nat with q in HH by lia.
      assert (Hnn : snd (fst ct') <> nil) by (intros E0; rewrite E0 in Hl'; discriminate). specialize (HH Hnn). rewrite HF1 in HH.
      assert (Hxy : (eval_form (dual_form (fst (fst ct')) 0 ws) s t + eval_form (dual_form (fst (fst ct')) 1 ws) s t) / 2 <= 0).
      { apply pow_le_inv. lra. rewrite pow_i by auto. exact HH. }
      destruct (cone_spanned 2 _ _ Hc1 Hid) as [s1 [Hs1 Hv1]].
      assert (Hz0 : forall k, (k < 2)%nat -> sg' * mulv 2 (step m i) v k = 0).
      { intros k Hk. set (u := fun j => sg' * mulv 2 (step m i) v j) in *.
        assert (E1 : IZR (scale (fst (fst ct'))) * u k = rsum 2 (fun j => (if Nat.eqb k j then IZR (scale (fst (fst ct'))) else 0) * u j)).
        { rewrite (rsum_ext 2 _ (fun j => (if Nat.eqb k j then 1 else 0) * (IZR (scale (fst (fst ct'))) * u j))). now rewrite rsum_delta. intros j Hj; destruct (Nat.eqb k j); ring. }
        assert (E2 : IZR (scale (fst (fst ct'))) * u k = rsum 2 (fun l => IZR (nth k (nth l (generators (fst (fst ct'))) nil) 0%Z) * functional 2 (nth l (duals (fst (fst ct'))) nil) u)).
        { rewrite E1. unfold functional.
          rewrite (rsum_ext 2 _ (fun j => rsum 2 (fun l => IZR (nth k (nth l (generators (fst (fst ct'))) nil) 0%Z) * IZR (nth j (nth l (duals (fst (fst ct'))) nil) 0%Z)) * u j)).
          2:{ intros j Hj. rewrite HI' by auto. reflexivity. }
          cbn [rsum]. ring. }
        assert (F0 : functional 2 (nth 0 (duals (fst (fst ct'))) nil) u = 0) by (unfold u; rewrite Hfn by lia; replace (eval_form (dual_form (fst (fst ct')) 0 ws) s t) with 0 by lra; ring).
        assert (F1 : functional 2 (nth 1 (duals (fst (fst ct'))) nil) u = 0) by (unfold u; rewrite Hfn by lia; replace (eval_form (dual_form (fst (fst ct')) 1 ws) s t) with 0 by lra; ring).
        cbn [rsum] in E2. rewrite F0, F1 in E2. apply Rmult_eq_reg_l with (IZR (scale (fst (fst ct')))); [|lra]. unfold u in *. rewrite E2. ring. }
      assert (Hle : norm 2 (mulv 2 (step m i) v) <= 0).
      { eapply Rle_trans; [apply norm_le_sum|]. cbn [rsum]. pose proof (Hz0 0%nat ltac:(lia)). pose proof (Hz0 1%nat ltac:(lia)).
        replace (mulv 2 (step m i) v 0%nat) with 0 by (destruct Hsg' as [E0|E0]; rewrite E0 in *; lra).
        replace (mulv 2 (step m i) v 1%nat) with 0 by (destruct Hsg' as [E0|E0]; rewrite E0 in *; lra). rewrite Rabs_R0; lra. }
      pose proof (norm_nonneg 2 (mulv 2 (step m i) v)). lra.
    + intros HFp. destruct (Rle_dec (eval_form (form_along (fst ct') ws) s t) 0); [lra|].
      set (F := eval_form (form_along (fst ct') ws) s t) in *.
      assert (Hprod : 0 < IZR (scale (fst (fst ct')) * denominator (nth i (branches m) no_branch))) by (rewrite mult_IZR; apply Rmult_lt_0_compat; auto).
      assert (Hroot : 0 < root F) by apply exp_pos.
      split.
      * exists ct', sg'. split; auto. split; auto. split; auto. split. apply Rdiv_lt_0_compat; auto.
        rewrite HFv. rewrite mult_IZR. fold bq'.
        replace (root F / (IZR (scale (fst (fst ct'))) * bq') * IZR (scale (fst (fst ct')))) with (/ bq' * root F) by (field; lra).
        rewrite Rpow_mult_distr, root_pow by auto. reflexivity.
      * replace (root F / IZR (scale (fst (fst ct')) * denominator (nth i (branches m) no_branch)) * IZR (scale (fst (fst ct')) * denominator (nth i (branches m) no_branch))) with (root F) by (field; lra). apply root_pow; auto.
    + intros HFz. destruct (Rle_dec (eval_form (form_along (fst ct') ws) s t) 0); [auto | lra].
Qed.

Lemma root_value_generator : forall ct, In ct ce -> forall l, (l < 2)%nat -> exists y, root_value (fun k => IZR (nth k (nth l (generators (fst (fst ct))) nil) 0%Z)) y.
Proof.
  intros ct Hct l Hl. destruct form_parts as [_ [_ [_ Hall]]]. destruct (Hall ct Hct) as [Hpc _].
  destruct (form_cone_facts _ Hpc) as [Hc [Hlen Hco]]. destruct (cone_facts 2 _ Hc) as [[Hg1 Hg2] [[Hd1 Hd2'] [_ [HD [Hfg _]]]]].
  set (g := nth l (generators (fst (fst ct))) nil). set (v := (fun k => IZR (nth k g 0%Z)) : vec).
  assert (Hfn : forall k, (k < 2)%nat -> functional 2 (nth k (duals (fst (fst ct))) nil) (fun j => 1 * v j) = IZR (dot (nth k (duals (fst (fst ct))) nil) g)).
  { intros k Hk. rewrite functional_scal, Rmult_1_l, (dot_rsum 2); auto. apply Hg2; auto. }
  assert (Hpos : (0 < dot (nth 0 (duals (fst (fst ct))) nil) g + dot (nth 1 (duals (fst (fst ct))) nil) g)%Z).
  { unfold form_cone_ok in Hpc. rewrite !andb_true_iff in Hpc. destruct Hpc as [_ H4]. rewrite forallb_forall in H4. apply Z.ltb_lt. apply H4. apply nth_In. lia. }
  destruct (Hfg l Hl) as [_ Hnn]. fold g in Hnn.
  pose proof (Hnn 0%nat ltac:(lia)) as N0. pose proof (Hnn 1%nat ltac:(lia)) as N1.
  set (F := form_value (fst ct) (fun j => 1 * v j)).
  assert (HF : 0 < F).
  { unfold F, form_value. rewrite !Hfn by lia. apply IZR_le in N0, N1. apply IZR_lt in Hpos. rewrite plus_IZR in Hpos.
    assert (HH := eval_ge_mean (snd (fst ct)) _ _ N0 N1 Hco). eapply Rlt_le_trans; [| apply HH; intros E0; rewrite E0 in Hlen; discriminate].
    apply pow_lt. lra. }
  exists (root F / IZR (scale (fst (fst ct)))). exists ct, 1. split; auto. split; auto. split; [|split].
  - intros k Hk. rewrite Hfn by auto. apply IZR_le. apply Hnn; auto.
  - apply Rdiv_lt_0_compat; auto. apply exp_pos.
  - fold F. replace (root F / IZR (scale (fst (fst ct))) * IZR (scale (fst (fst ct)))) with (root F) by (field; lra). apply root_pow; auto.
Qed.

Definition no_form : Z * list Z := (0%Z, nil).
Lemma step_logs (y : R) (ct : form_cone * tree (list target)) (Gs : list (Z * list Z)) (s t : R) (G0 : list Z) (yi : nat -> R) : let D := IZR (scale (fst (fst ct))) in
  0 < D -> length Gs = count m -> 0 < y -> (y * D) ^ q = eval_form G0 s t -> length G0 = S q ->
  (forall i, (i < count m)%nat -> (0 < fst (nth i Gs no_form))%Z /\ length (snd (nth i Gs no_form)) = S q /\ 0 < yi i /\
      0 < eval_form (snd (nth i Gs no_form)) s t /\ (yi i * IZR (fst (nth i Gs no_form))) ^ q = eval_form (snd (nth i Gs no_form)) s t) ->
  let lhs := eval_form (scale_form (rd * (scale (fst (fst ct))) ^ (Z.of_nat q * total_weight m)) (product_of_powers (branches m) (map snd Gs))) s t in
  let rhs := eval_form (scale_form (rn * (weighted_product (branches m) (map fst Gs)) ^ (Z.of_nat q)) (pow_form G0 (Z.to_nat (total_weight m)))) s t in
  0 < lhs /\ 0 < rhs /\ ln lhs - ln rhs = INR q * IZR (total_weight m) * (E (count m) (prob m) (fun i => ln (yi i)) - ln y - form_log_ratio rn rd).
Proof.
  intros D HD HGl Hy HG0 HG0l Hi lhs rhs. destruct form_parts as [Hrn [Hrd _]].
  pose proof (total_weight_pos m Hwf) as HP. assert (HPR : 0 < IZR (total_weight m)) by (apply IZR_lt; auto).
  assert (HqR : 0 < INR q) by (apply lt_0_INR; auto). assert (HqZ : INR q = IZR (Z.of_nat q)) by apply INR_IZR_INZ.
  assert (HDz : (0 < scale (fst (fst ct)))%Z) by (apply lt_IZR; auto).
  assert (Hb : forall b, In b (branches m) -> (0 < weight b)%Z) by (intros; apply (branch_facts m Hwf); auto).
  assert (HinG : forall G, In G (map snd Gs) -> exists i, (i < count m)%nat /\ G = snd (nth i Gs no_form)).
  { intros G HG. apply in_map_iff in HG. destruct HG as [x [<- Hx]]. destruct (In_nth Gs x no_form Hx) as [i [Hi1 Hi2]]. exists i. split; [lia | now rewrite Hi2]. }
  assert (HinK : forall k, In k (map fst Gs) -> (0 < k)%Z).
  { intros k Hk. apply in_map_iff in Hk. destruct Hk as [x [<- Hx]]. destruct (In_nth Gs x no_form Hx) as [i [Hi1 Hi2]]. rewrite <- Hi2. apply Hi. lia. }
  destruct (eval_product_of_powers (branches m) (map snd Gs) s t) as [_ [_ HPP]]; auto.
  { rewrite map_length; auto. }
  { intros G HG. destruct (HinG G HG) as [i [Hi1 ->]]. destruct (Hi i Hi1) as [_ [-> _]]. lia. }
  { intros G HG. destruct (HinG G HG) as [i [Hi1 ->]]. left. apply Hi; auto. }
  destruct HPP as [HPP1 HPP2]. { intros G HG. destruct (HinG G HG) as [i [Hi1 ->]]. apply Hi; auto. }
  fold (count m) in HPP2.
  assert (Hpk : (0 < weighted_product (branches m) (map fst Gs))%Z) by (apply weighted_product_pos; auto).
  assert (HG0p : 0 < eval_form G0 s t). { rewrite <- HG0. apply pow_lt. apply Rmult_lt_0_compat; auto. }
  assert (HDp : (0 < scale (fst (fst ct)) ^ (Z.of_nat q * total_weight m))%Z) by (apply Z.pow_pos_nonneg; [auto | apply Z.mul_nonneg_nonneg; lia]).
  assert (Hkp : (0 < weighted_product (branches m) (map fst Gs) ^ Z.of_nat q)%Z) by (apply Z.pow_pos_nonneg; lia).
  assert (El : lhs = IZR rd * IZR (scale (fst (fst ct)) ^ (Z.of_nat q * total_weight m)) * eval_form (product_of_powers (branches m) (map snd Gs)) s t) by (unfold lhs; rewrite eval_scale, mult_IZR; reflexivity).
  assert (Er : rhs = IZR rn * IZR (weighted_product (branches m) (map fst Gs) ^ Z.of_nat q) * eval_form G0 s t ^ Z.to_nat (total_weight m)).
  { unfold rhs. rewrite eval_scale, mult_IZR, eval_pow by lia. reflexivity. }
  apply IZR_lt in Hrn, Hrd, HDp, Hkp.
  assert (HG0P : 0 < eval_form G0 s t ^ Z.to_nat (total_weight m)) by (apply pow_lt; auto).
  assert (Hl0 : 0 < lhs) by (rewrite El; repeat apply Rmult_lt_0_compat; auto).
  assert (Hr0 : 0 < rhs) by (rewrite Er; repeat apply Rmult_lt_0_compat; auto).
  split; auto. split; auto.
  rewrite El, Er. rewrite !ln_mult; auto; try (apply Rmult_lt_0_compat; auto).
  rewrite !ln_Zpow; auto; try lia. rewrite ln_pow_nat by auto. rewrite INR_IZR_INZ, Z2Nat.id by lia.
  rewrite HPP2. rewrite <- HG0, ln_pow_nat by (apply Rmult_lt_0_compat; auto). rewrite ln_mult by auto.
  rewrite ln_weighted_product; auto. 2: rewrite map_length; auto. fold (count m). rewrite mult_IZR, <- HqZ. fold D.
  assert (ES : rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (eval_form (nth i (map snd Gs) nil) s t)) =
     INR q * IZR (total_weight m) * E (count m) (prob m) (fun i => ln (yi i)) + INR q * rsum (count m) (fun i => IZR (weight (nth i (branches m) no_branch)) * ln (IZR (nth i (map fst Gs) 0%Z)))).
  { unfold E. rewrite <- !rsum_scal, <- rsum_plus. apply rsum_ext; intros i Hi1. destruct (Hi i Hi1) as [K1 [K2 [K3 [K4 K5]]]].
    rewrite (nth_map snd Gs i no_form) by lia. rewrite (nth_map fst Gs i no_form) by lia. apply IZR_lt in K1.
    rewrite <- K5, ln_pow_nat by (apply Rmult_lt_0_compat; auto). rewrite ln_mult by auto. unfold prob. field. lra. }
  rewrite ES. unfold form_log_ratio. field. lra.
Qed.
End Sound.

Theorem check_forms_lower_sound rn rd ce : check_forms false rn rd ce = true -> (form_log_ratio rn rd <= model_exponent m)%ext.
Proof.
  intros Hck. destruct (form_parts _ _ _ _ Hck) as [Hrn [Hrd [Hne Hall]]].
  destruct (root_value_upper _ _ _ _ Hck) as [Mx [HMx HMxb]].
  destruct ce as [|ct0 rest] eqn:Ece; [congruence|]. rewrite <- Ece in *.
  assert (Hin0 : In ct0 ce) by (rewrite Ece; left; auto).
  destruct (root_value_generator _ _ _ _ Hck ct0 Hin0 0%nat ltac:(lia)) as [y0 Hy0].
  unfold model_exponent. rewrite Hd2.
  apply (sandwich_lower 2 (count m) (prob m) (step m) (model_probability m Hwf) ltac:(lia) (root_value ce) Mx (form_log_ratio rn rd)) with (v0 := fun k => IZR (nth k (nth 0 (generators (fst (fst ct0))) nil) 0%Z)) (y0 := y0); auto.
  - intros v y Hv. split; [| apply HMxb; auto]. destruct Hv as [ct [sg [_ [_ [_ [H _]]]]]]. exact H.
  - intros v y Hv. destruct (step_data _ _ _ _ Hck v y Hv) as [ct [Gs [sg [s [t [es [yi H]]]]]]]. cbv zeta in H.
    destruct H as [Hct [Hs [Ht [HD [HGl [Hy [HG0 [HG0l [Hi Hple]]]]]]]]].
    pose proof (coefficients_le_eval _ _ s t Hs Ht Hple) as Hineq.
    (* positivity of all image forms *)
    assert (HinG : forall G, In G (map snd Gs) -> exists i, (i < count m)%nat /\ G = snd (nth i Gs no_form)).
    { intros G HG. apply in_map_iff in HG. destruct HG as [x [<- Hx]]. destruct (In_nth Gs x no_form Hx) as [i [Hi1 Hi2]]. exists i. split; [lia | now rewrite Hi2]. }
    assert (HinK : forall k, In k (map fst Gs) -> (0 < k)%Z).
    { intros k Hk. apply in_map_iff in Hk. destruct Hk as [x [<- Hx]]. destruct (In_nth Gs x no_form Hx) as [i [Hi1 Hi2]]. rewrite <- Hi2. apply Hi. lia. }
    assert (Hb : forall b, In b (branches m) -> (0 < weight b)%Z) by (intros; apply (branch_facts m Hwf); auto).
    destruct (eval_product_of_powers (branches m) (map snd Gs) s t) as [_ [HPP _]]; auto.
    { rewrite map_length; auto. }
    { intros G HG. destruct (HinG G HG) as [i [Hi1 ->]]. destruct (Hi i Hi1) as [_ [Hlen _]]. unfold no_form in *. rewrite Hlen. lia. }
    { intros G HG. destruct (HinG G HG) as [i [Hi1 ->]]. apply (Hi i Hi1). }
    assert (HDz : (0 < scale (fst (fst ct)))%Z) by (apply lt_IZR; auto).
    assert (HP := total_weight_pos m Hwf).
    assert (HDp : (0 < scale (fst (fst ct)) ^ (Z.of_nat q * total_weight m))%Z) by (apply Z.pow_pos_nonneg; [auto | apply Z.mul_nonneg_nonneg; lia]).
    assert (Hkp : (0 < weighted_product (branches m) (map fst Gs) ^ Z.of_nat q)%Z) by (apply Z.pow_pos_nonneg; [apply weighted_product_pos; auto | lia]).
    assert (Hpos : forall i, (i < count m)%nat -> 0 < eval_form (snd (nth i Gs no_form)) s t).
    { intros i Hi1. apply HPP. 2: apply in_map, nth_In; lia.
      rewrite !eval_scale, eval_pow in Hineq by lia. rewrite <- HG0 in Hineq.
      assert (0 < IZR (rn * weighted_product (branches m) (map fst Gs) ^ Z.of_nat q) * ((y * IZR (scale (fst (fst ct)))) ^ q) ^ Z.to_nat (total_weight m)).
      { apply Rmult_lt_0_compat. rewrite mult_IZR. apply Rmult_lt_0_compat; apply IZR_lt; auto. apply pow_lt, pow_lt, Rmult_lt_0_compat; auto. }
      assert (Hk2 : 0 < IZR (rd * scale (fst (fst ct)) ^ (Z.of_nat q * total_weight m))) by (rewrite mult_IZR; apply Rmult_lt_0_compat; apply IZR_lt; auto).
      destruct (Rle_lt_dec (eval_form (product_of_powers (branches m) (map snd Gs)) s t) 0) as [Hle|]; auto. exfalso. nra. }
    assert (Hyi : forall i, (i < count m)%nat -> root_value ce (mulv 2 (step m i) v) (yi i)) by (intros i Hi1; apply (Hi i Hi1); apply Hpos; auto).
    exists yi. split; auto.
    destruct (step_logs _ _ _ _ Hck y ct Gs s t (form_along (fst ct) es) yi HD HGl Hy HG0 HG0l) as [Hl [Hr Heq]].
    { intros i Hi1. destruct (Hi i Hi1) as [K1 [K2 [K3 [K4 [K5 K6]]]]]. unfold no_form.
      split; [exact K1|]. split; [exact K2|]. split; [|split; [apply Hpos; auto | apply K5; apply Hpos; auto]].
      destruct (Hyi i Hi1) as [? [? [_ [_ [_ [K _]]]]]]. exact K. }
    assert (Hln := ln_le_ln _ _ Hr Hineq).
    assert (HqP : 0 < INR q * IZR (total_weight m)) by (apply Rmult_lt_0_compat; [apply lt_0_INR; auto | apply IZR_lt; auto]).
    assert (0 <= INR q * IZR (total_weight m) * (E (count m) (prob m) (fun i => ln (yi i)) - ln y - form_log_ratio rn rd)) by lra.
    assert (0 <= E (count m) (prob m) (fun i => ln (yi i)) - ln y - form_log_ratio rn rd); [|lra].
    apply Rmult_le_reg_l with (INR q * IZR (total_weight m)); auto. lra.
Qed.

Theorem check_forms_upper_sound rn rd ce : check_forms true rn rd ce = true -> (model_exponent m <= form_log_ratio rn rd)%ext.
Proof.
  intros Hck. destruct (form_parts _ _ _ _ Hck) as [Hrn [Hrd [Hne Hall]]].
  destruct (root_value_upper _ _ _ _ Hck) as [Mx [HMx HMxb]]. destruct (root_value_lower _ _ _ _ Hck) as [mm [Hmm Hmmb]].
  destruct (exists_bound (seq 0 (count m)) (fun i => frobenius 2 (step m i))) as [An [HAn HAnb]].
  set (Bp := Rmax 1 (Mx * An / mm)). assert (HBp1 : 1 <= Bp) by apply Rmax_l.
  assert (HP := total_weight_pos m Hwf). assert (HPR : 0 < IZR (total_weight m)) by (apply IZR_lt; auto).
  set (del := exp (- (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp)))). assert (Hdel : 0 < del) by apply exp_pos.
  assert (HlnB : 0 <= ln Bp) by (rewrite <- ln_1; apply ln_le_ln; lra).
  assert (Hdel1 : del <= Bp).
  { apply Rle_trans with 1; auto. unfold del. rewrite <- exp_0. apply exp_le_exp.
    assert (0 <= IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp)). { apply Rmult_le_pos. lra. pose proof (Rabs_pos (form_log_ratio rn rd)). lra. } lra. }
  destruct ce as [|ct0 rest] eqn:Ece; [congruence|]. rewrite <- Ece in *.
  assert (Hin0 : In ct0 ce) by (rewrite Ece; left; auto).
  destruct (root_value_generator _ _ _ _ Hck ct0 Hin0 0%nat ltac:(lia)) as [ya Hya]. destruct (root_value_generator _ _ _ _ Hck ct0 Hin0 1%nat ltac:(lia)) as [yb Hyb].
  unfold model_exponent. rewrite Hd2.
  destruct (Hall ct0 Hin0) as [Hpc _]. destruct (form_cone_facts _ Hpc) as [Hc _]. destruct (cone_facts 2 _ Hc) as [_ [_ [_ [HD [_ HI]]]]].
  set (g := fun l => nth l (generators (fst (fst ct0))) nil).
  destruct (frobenius_le_generators 2 (fst (fst ct0)) Hc) as [K [HK HKM]].
  apply (sandwich_upper 2 (count m) (prob m) (step m) (model_probability m Hwf) ltac:(lia) (root_value ce) mm del Bp (form_log_ratio rn rd)) with
    (k := 2%nat) (vs := fun l => (fun k => IZR (nth k (g l) 0%Z))) (ys := fun l => match l with O => ya | _ => yb end) (K := K); auto.
  - intros v y Hv. split; [| apply Hmmb; auto]. destruct Hv as [ct [sg [_ [_ [_ [H _]]]]]]. exact H.
  - intros v y Hv. destruct (step_data _ _ _ _ Hck v y Hv) as [ct [Gs [sg [s [t [es [yi H]]]]]]]. cbv zeta in H.
    destruct H as [Hct [Hs [Ht [HD0 [HGl [Hy [HG0 [HG0l [Hi Hple]]]]]]]]].
    pose proof (coefficients_le_eval _ _ s t Hs Ht Hple) as Hineq.
    exists yi.
    assert (Hbound : forall i, (i < count m)%nat -> yi i <= Bp * y).
    { intros i Hi1. destruct (Hi i Hi1) as [K1 [K2 [K3 [K4 [K5 K6]]]]]. destruct K3 as [K3|K3].
      - destruct (K5 K3) as [K7 _]. apply HMxb in K7. pose proof (norm_mulv 2 (step m i) v). pose proof (Hmmb v y Hv).
        assert (frobenius 2 (step m i) <= An) by (apply HAnb; apply in_seq; lia). pose proof (norm_nonneg 2 v).
        assert (Mx * norm 2 (mulv 2 (step m i) v) <= Mx * (An * norm 2 v)). { apply Rmult_le_compat_l; [lra|]. eapply Rle_trans; [exact H|]. apply Rmult_le_compat_r; auto. }
        assert (norm 2 v <= y / mm). { apply Rmult_le_reg_l with mm; auto. replace (mm * (y / mm)) with y by (field; lra). auto. }
        assert (Mx * (An * norm 2 v) <= Mx * (An * (y / mm))). { apply Rmult_le_compat_l; [lra|]. apply Rmult_le_compat_l; lra. }
        replace (Mx * (An * (y / mm))) with (Mx * An / mm * y) in H4 by (field; lra).
        assert (Mx * An / mm * y <= Bp * y). { apply Rmult_le_compat_r; [lra | apply Rmax_r]. } lra.
      - rewrite K6 by auto. apply Rmult_le_pos; lra. }
    split.
    + intros i Hi1. split; auto. destruct (Hi i Hi1) as [K1 [K2 [K3 [K4 [K5 K6]]]]]. destruct K3 as [K3|K3]; [right; apply K5; auto | left; apply K4; auto].
    + set (x := fun i => Rmax (yi i / y) del).
      assert (Hxb : forall i, (i < count m)%nat -> ln (x i) <= ln Bp).
      { intros i Hi1. apply ln_le_ln. eapply Rlt_le_trans; [exact Hdel | apply Rmax_r]. apply Rmax_lub; auto.
        apply Rmult_le_reg_r with y; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l, Rmult_1_r by lra. auto. }
      destruct (Classical_Prop.classic (exists i, (i < count m)%nat /\ yi i / y < del)) as [[i [Hi1 Hsmall]]|Hno].
      * (* a small image: the clamp alone is enough *)
        change (E (count m) (prob m) (fun i => ln (x i)) <= form_log_ratio rn rd).
        assert (Hxi : ln (x i) = ln del). { unfold x, Rmax. destruct (Rle_dec (yi i / y) del); [auto | lra]. }
        assert (Hpi : / IZR (total_weight m) <= prob m i).
        { unfold prob. unfold Rdiv. rewrite <- (Rmult_1_l (/ IZR (total_weight m))) at 1. apply Rmult_le_compat_r. left; apply Rinv_0_lt_compat; auto.
          apply IZR_le. pose proof (proj1 (branch_facts m Hwf _ (branch_in m i Hi1))). lia. }
        assert (Hlnd : ln del = - (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp))) by (unfold del; apply ln_exp).
        assert (Hle : E (count m) (prob m) (fun j => ln (x j)) <= ln Bp + prob m i * (ln del - ln Bp)).
        { apply Rle_trans with (E (count m) (prob m) (fun j => ln Bp + (if Nat.eqb i j then 1 else 0) * (ln del - ln Bp))).
          - apply (E_le (count m) (prob m) (model_probability m Hwf)). intros j Hj. destruct (Nat.eqb_spec i j). subst j. rewrite Hxi. lra. pose proof (Hxb j Hj). lra.
          - rewrite E_plus, (E_const _ _ (model_probability m Hwf)). apply Rplus_le_compat_l. right. unfold E.
            rewrite (rsum_ext (count m) _ (fun j => (if Nat.eqb i j then 1 else 0) * (prob m j * (ln del - ln Bp)))) by (intros; ring). now rewrite rsum_delta. }
        assert (Hneg : ln del - ln Bp <= - (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp))) by lra.
        assert (H0 : 0 <= IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp)). { apply Rmult_le_pos. lra. pose proof (Rabs_pos (form_log_ratio rn rd)). lra. }
        assert (prob m i * (ln del - ln Bp) <= / IZR (total_weight m) * (- (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp)))).
        { assert (/ IZR (total_weight m) * (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp)) <= prob m i * (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp))) by (apply Rmult_le_compat_r; auto).
          assert (0 < / IZR (total_weight m)) by (apply Rinv_0_lt_compat; auto).
          assert (prob m i * (ln del - ln Bp) <= prob m i * - (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp))) by (apply Rmult_le_compat_l; lra). lra. }
        replace (/ IZR (total_weight m) * (- (IZR (total_weight m) * (Rabs (form_log_ratio rn rd) + ln Bp)))) with (- (Rabs (form_log_ratio rn rd) + ln Bp)) in H by (field; lra).
        pose proof (Rle_abs (- form_log_ratio rn rd)). rewrite Rabs_Ropp in H1. lra.
      * assert (Hbig : forall i, (i < count m)%nat -> del <= yi i / y).
        { intros i Hi1. destruct (Rle_lt_dec del (yi i / y)); auto. exfalso; apply Hno; exists i; auto. }
        assert (Hyp : forall i, (i < count m)%nat -> 0 < yi i).
        { intros i Hi1. pose proof (Hbig i Hi1). apply Rmult_lt_reg_r with (/ y). apply Rinv_0_lt_compat; auto. unfold Rdiv in H. lra. }
        assert (Hpos : forall i, (i < count m)%nat -> 0 < eval_form (snd (nth i Gs no_form)) s t).
        { intros i Hi1. destruct (Hi i Hi1) as [K1 [K2 [K3 [K4 [K5 K6]]]]]. destruct K3 as [|K3]; auto. unfold no_form. symmetry in K3. pose proof (K6 K3). pose proof (Hyp i Hi1). lra. }
        destruct (step_logs _ _ _ _ Hck y ct Gs s t (form_along (fst ct) es) yi HD0 HGl Hy HG0 HG0l) as [Hl [Hr Heq]].
        { intros i Hi1. destruct (Hi i Hi1) as [K1 [K2 [K3 [K4 [K5 K6]]]]]. unfold no_form.
          split; [exact K1|]. split; [exact K2|]. split; [apply Hyp; auto|]. split; [apply Hpos; auto | apply K5; apply Hpos; auto]. }
        assert (Hln := ln_le_ln _ _ Hl Hineq).
        assert (HqP : 0 < INR q * IZR (total_weight m)) by (apply Rmult_lt_0_compat; [apply lt_0_INR; auto | auto]).
        assert (Hfin : E (count m) (prob m) (fun i => ln (yi i)) - ln y - form_log_ratio rn rd <= 0).
        { apply Rmult_le_reg_l with (INR q * IZR (total_weight m)); auto. lra. }
        rewrite (E_ext (count m) (prob m) _ (fun i => ln (yi i) + - ln y)).
        rewrite E_plus, (E_const _ _ (model_probability m Hwf)). lra.
        intros i Hi1. rewrite Rmax_left by (apply Hbig; auto). unfold Rdiv. rewrite ln_mult, ln_Rinv; auto. apply Rinv_0_lt_compat; auto.
  - intros [|[|j]] Hj; auto; lia.
Qed.
End M.
